//! The plugin socket's file: taken over where a dead one left it, refused where somebody listens, removed if it is still ours.

use std::{
    fs,
    io::ErrorKind,
    os::unix::{
        fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use crate::engine::{Error, Result};

/// Where dockerd looks for plugins, with the name that `docker network create -d` takes.
pub const DEFAULT: &str = "/run/docker/plugins/netctl.sock";

/// A socket that listens, and its file.
#[derive(Debug)]
pub struct PluginSocket {
    path: PathBuf,
    /// Device, inode, which another file may have got, and when it was changed: another file in its place is not ours.
    file: (u64, u64, i64, i64),
}

impl PluginSocket {
    /// Makes the socket, for root alone.
    ///
    /// # Errors
    /// Where somebody listens there, or something else than a socket is there.
    pub fn bind(path: &Path) -> Result<(Self, UnixListener)> {
        if let Some(directory) = path.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o711)
                .create(directory)
                .map_err(Error::file("make", directory))?;
        }
        clear(path)?;
        let listener = UnixListener::bind(path).map_err(Error::file("bind the plugin socket", path))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(Error::file("close", path))?;
        listener.set_nonblocking(true).map_err(Error::file("prepare", path))?;
        let file = identity(path).map_err(Error::file("look at", path))?;
        Ok((Self { path: path.to_owned(), file }, listener))
    }
}

impl Drop for PluginSocket {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            // One that is gone already is the aim.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes a socket on which nobody listens.
fn clear(path: &Path) -> Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found.map_err(Error::file("look at", path))?,
    };
    if !found.file_type().is_socket() {
        return Err(Error::NoSocket(path.to_owned()));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(Error::file("remove", path))
        }
        _ => Err(Error::SocketInUse(path.to_owned())),
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64, i64, i64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino(), found.ctime(), found.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_ones_file_is_replaced_and_a_live_one_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plugins/netctl.sock");
        let (first, listener) = PluginSocket::bind(&path).unwrap();
        assert!(matches!(PluginSocket::bind(&path), Err(Error::SocketInUse(_))));
        assert!(path.exists(), "the live one's file stays");
        drop(listener);
        // Its file is there still, as a killed one leaves it.
        let (second, _listener) = PluginSocket::bind(&path).unwrap();
        drop(first);
        assert!(path.exists(), "the second one's file is not the first one's to remove");
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_socket_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("netctl.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(PluginSocket::bind(&path), Err(Error::NoSocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
