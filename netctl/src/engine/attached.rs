//! Namespaces that others have made: given their place on networks, watched, and taken off again.

use std::path::{Path, PathBuf};

use super::{Engine, Error, Result, RunSpec};
use crate::{
    kernel::{KernelError, Netns, index_of, is_alive, netns_cookie},
    model::{Container, Endpoint, EngineName, Furnished, Id, Origin, Status},
};

impl Container {
    /// Refuses a container that another engine looks after.
    pub(crate) fn refuse_guest(&self) -> Result<()> {
        let (name, engine) = (self.name.to_string(), self.engine.name());
        if self.engine == EngineName::Netctl { Ok(()) } else { Err(Error::EnginesContainer { name, engine }) }
    }

    /// Refuses a container whose interfaces its engine alone furnishes: it would not see what we change.
    pub(crate) fn refuse_unfurnished(&self) -> Result<()> {
        if self.is_furnished_by_engine() { self.refuse_guest() } else { Ok(()) }
    }
}

impl Engine {
    /// Gives an existing namespace its place on the networks. `furnish` is called once the endpoints are there, before
    /// it counts as attached.
    pub fn attach(
        &self,
        spec: RunSpec,
        pid: Option<u32>,
        path: Option<PathBuf>,
        furnish: impl FnOnce(&Container, &[Endpoint]),
    ) -> Result<Id> {
        let (netns, path) = open_netns(pid, path)?;
        if netns.inode()? == Netns::own()?.inode()? {
            return Err(Error::HostNamespace);
        }
        let cookie = netns.inside(netns_cookie)??;
        if let Some(name) = self.attached_at(&netns, cookie)? {
            return Err(Error::AlreadyAttached(name));
        }
        let container =
            self.plan_container(spec, Origin::Attached { netns: path, cookie, furnished: Furnished::ByUs })?;
        if !container.has_endpoints() {
            return Err(Error::NeedsBridge("attach"));
        }
        self.record_container(&container)?;
        let joined = self.join_networks(&container, &netns);
        match joined.and_then(|endpoints| self.apply_sysctls(&container, &netns).map(|()| endpoints)) {
            Ok(endpoints) => furnish(&container, &endpoints),
            Err(error) => {
                self.abandon_container(&container)?;
                return Err(error);
            }
        }
        self.commit_container(&container, pid.unwrap_or(0))?;
        Ok(container.id)
    }

    /// The container that was attached in the namespace already.
    pub(super) fn attached_at(&self, netns: &Netns, wanted: u64) -> Result<Option<String>> {
        let inode = netns.inode()?;
        for container in self.store.attached_in(wanted)? {
            if let Origin::Attached { netns, cookie, .. } = &container.origin
                && (*cookie == wanted
                    || Netns::at(netns).and_then(|known| known.inode()).is_ok_and(|known| known == inode))
            {
                return Ok(Some(container.name.to_string()));
            }
        }
        Ok(None)
    }

    /// Takes an attached namespace off its networks. The container's identifier.
    pub fn detach(&self, reference: &str) -> Result<Id> {
        let container = self.container(reference)?;
        match container.origin {
            Origin::Attached { .. } => {
                container.refuse_guest()?;
                self.erase_container(&container).map(|()| container.id)
            }
            Origin::Run { .. } => Err(Error::NotAttached(container.name.to_string())),
        }
    }

    /// The namespace of a running container; `None` where it has gone.
    pub(super) fn netns_of(&self, container: &Container) -> Result<Option<Netns>> {
        let state = &container.state;
        match &container.origin {
            _ if state.status != Status::Running => Ok(None),
            Origin::Run { .. } => {
                let netns = Netns::of_pid(state.pid).ok();
                // Looked at after the namespace is held: the number may be another process's by then.
                Ok(netns.filter(|_| is_alive(state.pid, state.start)))
            }
            Origin::Attached { netns, cookie, .. } => attached_netns(netns, *cookie),
        }
    }

    /// Takes our routes and rules out of a namespace that goes on without us, as an attached or a shared one does;
    /// interfaces have taken most with them.
    pub(super) fn clear_namespace(&self, container: &Container) {
        // On one network there is a default route at most.
        if container.attachments.len() < 2 || container.is_furnished_by_engine() {
            return;
        }
        let clear = || match self.namespace_left_behind(container)? {
            Some(netns) => self.lead_out(container, &[], &netns),
            None => Ok(()),
        };
        if let Err(error) = clear() {
            tracing::warn!("{}: {error}", container.name);
        }
    }

    fn namespace_left_behind(&self, container: &Container) -> Result<Option<Netns>> {
        match &container.origin {
            Origin::Attached { netns, cookie, .. } => attached_netns(netns, *cookie),
            Origin::Run { .. } => match self.sharers_of(container)?.first() {
                Some(sharer) => self.netns_of(sharer),
                None => Ok(None),
            },
        }
    }

    /// Whether an attached namespace is gone. A veth pair goes with the namespace that holds one end.
    pub(super) fn has_vanished(&self, container: &Container, endpoints: &[Endpoint]) -> Result<bool> {
        if endpoints.is_empty() {
            return Ok(self.netns_of(container)?.is_none());
        }
        Ok(endpoints.iter().any(|endpoint| index_of(&endpoint.link()).is_none()))
    }
}

pub(super) fn attached_netns(path: &Path, cookie: u64) -> Result<Option<Netns>> {
    let Ok(netns) = Netns::at(path) else {
        return Ok(None);
    };
    let found = netns.inside(netns_cookie)??;
    Ok(if cookie == 0 || found == cookie { Some(netns) } else { None })
}

pub(super) fn open_netns(pid: Option<u32>, path: Option<PathBuf>) -> Result<(Netns, PathBuf)> {
    match (pid, path) {
        (Some(pid), _) => {
            let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
            let netns = Netns::of_pid(pid).map_err(|error| match error {
                KernelError::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                    Error::NoProcess(pid)
                }
                other => other.into(),
            })?;
            Ok((netns, path))
        }
        (None, Some(path)) => {
            let netns = Netns::at(&path).map_err(|source| Error::Netns { path: path.clone(), source })?;
            Ok((netns, path))
        }
        (None, None) => Err(Error::NeedsBridge("attach")),
    }
}
