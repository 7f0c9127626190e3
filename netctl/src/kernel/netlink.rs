//! A route netlink socket in one network namespace, with its requests made one after another. Not what is asked for.

use std::future::Future;

use rtnetlink::Handle;
use tokio::runtime::{Builder, Runtime};

use super::{KernelError, Netns, Result};

/// A route netlink socket.
pub struct Netlink {
    runtime: Runtime,
    handle: Handle,
}

impl Netlink {
    /// Opens a socket in the caller's namespace.
    pub fn open() -> Result<Self> {
        let runtime =
            Builder::new_current_thread().enable_io().build().map_err(KernelError::system("start a runtime"))?;
        let guard = runtime.enter();
        let (connection, handle, _) =
            rtnetlink::new_connection().map_err(KernelError::system("open a netlink socket"))?;
        runtime.spawn(connection);
        drop(guard);
        Ok(Self { runtime, handle })
    }

    /// Opens a socket in another namespace.
    pub fn open_in(netns: &Netns) -> Result<Self> {
        netns.inside(Self::open)?
    }

    /// Makes a request and waits for the answer.
    pub(super) fn request<T, F: Future<Output = T>>(&self, request: impl FnOnce(Handle) -> F) -> T {
        self.runtime.block_on(request(self.handle.clone()))
    }
}

/// The error number of a netlink answer, 0 if it has none.
pub(super) fn error_number(error: &rtnetlink::Error) -> i32 {
    match error {
        rtnetlink::Error::NetlinkError(message) => message.raw_code().abs(),
        _ => 0,
    }
}

/// Turns an answer into a result; the listed error numbers mean that all is as it should be.
pub(super) fn check(
    action: &'static str,
    subject: impl Into<String>,
    tolerated: &[i32],
    answer: std::result::Result<(), rtnetlink::Error>,
) -> Result<()> {
    match answer {
        Ok(()) => Ok(()),
        Err(error) if tolerated.contains(&error_number(&error)) => Ok(()),
        Err(source) => Err(KernelError::Netlink { action, subject: subject.into(), source }),
    }
}
