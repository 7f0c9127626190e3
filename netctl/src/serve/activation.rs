//! What a service manager hands to `serve` and hears from it: a socket that is bound already, and word of readiness
//! (sd_listen_fds(3), sd_notify(3)). Not what is served on the socket.

use std::os::{
    fd::{FromRawFd, OwnedFd, RawFd},
    unix::net::UnixListener,
};

use nix::sys::socket::{getsockopt, sockopt::AcceptConn};
use sd_notify::NotifyState;

use crate::engine::{Error, Result};

/// The engine socket that the service manager has bound for us; `None` where none is handed over. It does not block.
///
/// # Errors
/// When more than one is handed over, or something else than a listening Unix socket.
pub fn inherited() -> Result<Option<UnixListener>> {
    let mut descriptors = sd_notify::listen_fds().map_err(|_| Error::ForeignSocket)?;
    match (descriptors.next(), descriptors.next()) {
        (None, _) => Ok(None),
        (Some(descriptor), None) => listener(descriptor).map(Some),
        (Some(_), Some(_)) => Err(Error::ForeignSocket),
    }
}

/// Tells the service manager, if there is one, that sockets answer.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// Tells the service manager, if there is one, that we are about to end.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

fn listener(descriptor: RawFd) -> Result<UnixListener> {
    // SAFETY: whoever hands descriptors over gives them away, and this one is taken once.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    if getsockopt(&descriptor, AcceptConn) != Ok(true) {
        return Err(Error::ForeignSocket);
    }
    let listener = UnixListener::from(descriptor);
    // It has an address that can be told only if it is of that family.
    listener.local_addr().and_then(|_| listener.set_nonblocking(true)).map_err(|_| Error::ForeignSocket)?;
    Ok(listener)
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!("the service manager is not told: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, UdpSocket},
        os::fd::IntoRawFd,
        os::unix::net::UnixStream,
    };

    use super::*;

    #[test]
    fn only_a_listening_unix_socket_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let taken = listener(UnixListener::bind(&path).unwrap().into_raw_fd()).unwrap();
        assert_eq!(taken.local_addr().unwrap().as_pathname(), Some(path.as_path()));
        assert_eq!(taken.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        let foreign: [OwnedFd; 3] = [
            TcpListener::bind("127.0.0.1:0").unwrap().into(),
            UdpSocket::bind("127.0.0.1:0").unwrap().into(),
            UnixStream::pair().unwrap().0.into(),
        ];
        for descriptor in foreign {
            assert!(matches!(listener(descriptor.into_raw_fd()), Err(Error::ForeignSocket)));
        }
    }
}
