//! Docker's door as `serve` holds it open: where its socket is, and the tasks that answer on it.

use std::{os::unix::net::UnixListener, path::PathBuf};

use tokio::{
    sync::{mpsc::UnboundedSender, oneshot},
    task::JoinHandle,
};

use super::activation;
use crate::{
    engine::{Dirs, Result},
    engines::docker::{self, Door, News, PluginSocket},
    kernel::KernelError,
};

/// How Docker is served.
#[derive(Clone, Debug)]
pub struct DockerSettings {
    /// Where the plugin socket is; without one Docker is not served.
    pub plugin: Option<PathBuf>,
    /// Where dockerd answers: a URL.
    pub host: String,
}

/// A plugin socket that nobody answers on yet.
#[derive(Debug)]
pub struct Plugin {
    /// Its file; a service manager's own socket is the manager's to remove.
    socket: Option<PluginSocket>,
    listener: UnixListener,
    host: String,
}

impl DockerSettings {
    /// Makes the plugin socket, if there shall be one, or takes the one that a service manager has made. Calls wait in it until it
    /// is opened.
    pub fn bind(&self) -> Result<Option<Plugin>> {
        let Some(path) = &self.plugin else {
            return Ok(None);
        };
        let host = self.host.clone();
        if let Some(listener) = activation::inherited()? {
            return Ok(Some(Plugin { socket: None, listener, host }));
        }
        let (socket, listener) = PluginSocket::bind(path)?;
        Ok(Some(Plugin { socket: Some(socket), listener, host }))
    }
}

impl Plugin {
    /// Answers on the socket, which lasts as long as what is returned. `news` is told of what changes.
    pub fn open(self, dirs: &Dirs, news: UnboundedSender<News>) -> Result<OpenDoor> {
        let listener = tokio::net::UnixListener::from_std(self.listener);
        let listener = listener.map_err(KernelError::system("serve the plugin socket"))?;
        let door = Door::new(dirs.clone(), news);
        let (end, ended) = oneshot::channel();
        let calls = tokio::spawn(docker::serve(listener, docker::router(door.clone()), ended));
        tokio::spawn(docker::follow(door, self.host));
        Ok(OpenDoor { _socket: self.socket, end, calls })
    }
}

/// A plugin socket that is answered on. Its file goes with it.
#[derive(Debug)]
pub struct OpenDoor {
    _socket: Option<PluginSocket>,
    end: oneshot::Sender<()>,
    calls: JoinHandle<()>,
}

impl OpenDoor {
    /// Lets calls that have begun have their answers, and no other begin.
    pub async fn close(self) {
        // One that has ended by itself is as good.
        let _ = self.end.send(());
        let _ = self.calls.await;
    }
}
