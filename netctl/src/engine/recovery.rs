//! What a dead command, a dead container or a reboot left: finished or undone by whoever comes next.

use std::collections::HashSet;

use super::{Engine, Result, attached::attached_netns};
use crate::{
    failpoint::failpoint,
    kernel::{Cgroup, index_of, is_alive},
    model::{Container, Endpoint, EngineName, Network, Origin, Status},
    store::{Phase, Store, StoreError},
};

impl Engine {
    /// Finishes or undoes every change that is not complete.
    pub(super) fn recover(&self) -> Result<()> {
        for (container, phase) in self.store.unfinished::<Container>()? {
            if phase != Phase::Ready {
                self.erase_container(&container)?;
            }
        }
        for (endpoint, _) in self.store.unfinished::<Endpoint>()? {
            self.remove_endpoint(&endpoint)?;
        }
        for (network, _) in self.store.unfinished::<Network>()? {
            self.finish_network_removal(&network)?;
        }
        // Whoever made one for a container that has not come, or has gone, was killed before it removed it.
        let transient = EngineName::ALL.into_iter().filter(|engine| engine.has_transient_networks());
        let transient: Vec<&str> = transient.map(EngineName::name).collect();
        for network in self.store.deserted_networks(&transient)? {
            self.remove_idle_network(&network)?;
        }
        self.finish_moves()
    }

    /// Takes down what belongs to containers that have ended or whose namespace is gone; how many there were.
    pub fn tidy(&self) -> Result<usize> {
        let mut dead = 0;
        for (container, endpoints) in self.containers()? {
            dead += usize::from(self.tidy_container(&container, &endpoints)?);
        }
        Ok(dead)
    }

    /// Takes down what belongs to a container if it is dead; whether it was.
    pub(super) fn tidy_container(&self, container: &Container, endpoints: &[Endpoint]) -> Result<bool> {
        let is_dead = container.state.status == Status::Running
            && match &container.origin {
                Origin::Run { .. } => !is_alive(container.state.pid, container.state.start),
                Origin::Attached { .. } => self.has_vanished(container, endpoints)?,
            };
        if !is_dead {
            return Ok(false);
        }
        match &container.origin {
            Origin::Run { .. } => self.record_exit(container, None)?,
            Origin::Attached { .. } => {
                self.erase_container(container)?;
                let networks = container.attachments.iter().map(|attachment| attachment.network.clone());
                self.remove_deserted(&networks.collect::<Vec<_>>())?;
            }
        }
        Ok(true)
    }

    /// Records how a container ended and takes its endpoints down; removes it if that was asked for. `None` where nobody
    /// saw the exit status.
    pub fn record_exit(&self, container: &Container, exit_code: Option<i32>) -> Result<()> {
        for endpoint in self.store.endpoints_of(&container.id)? {
            self.remove_endpoint(&endpoint)?;
        }
        self.clear_namespace(container);
        if let Some(cgroup) = Cgroup::named(container.id.as_str()) {
            cgroup.remove();
        }
        if matches!(container.origin, Origin::Run { remove: true, .. }) {
            return self.erase_container(container);
        }
        let mut ended = container.clone();
        ended.state.status = Status::Exited;
        ended.state.pid = 0;
        // What a shell reports for a process that was killed.
        ended.state.exit_code = exit_code.unwrap_or(137);
        Ok(self.store.update(&ended)?)
    }

    /// Removes a container with all that belongs to it.
    pub(super) fn erase_container(&self, container: &Container) -> Result<()> {
        self.store.set_phase::<Container>(&container.id, Phase::Removing)?;
        failpoint("container.leaving");
        for endpoint in self.store.endpoints_of(&container.id)? {
            self.remove_endpoint(&endpoint)?;
        }
        self.clear_namespace(container);
        if matches!(container.origin, Origin::Run { .. })
            && let Some(cgroup) = Cgroup::named(container.id.as_str())
        {
            cgroup.remove();
        }
        self.remove_netns_files(container);
        // Files that are gone already are the aim.
        let _ = std::fs::remove_dir_all(self.dirs.container(container.id.as_str()));
        Ok(self.store.delete::<Container>(&container.id)?)
    }

    /// After a reboot nothing of the kernel's half is left: containers have ended, networks are made again when needed.
    pub(super) fn forget_last_boot(&self) -> Result<()> {
        self.store.set_meta("programs", "")?;
        self.store.set_meta("filters", "")?;
        self.store.set_meta("reserved", "")?;
        for (endpoint, _) in self.store.all::<Endpoint>()? {
            self.store.delete::<Endpoint>(&endpoint.id)?;
        }
        for (container, _) in self.store.all::<Container>()? {
            match container.origin {
                Origin::Attached { .. } => self.erase_container(&container)?,
                Origin::Run { .. } if container.state.status == Status::Running => {
                    self.record_exit(&container, None)?;
                }
                Origin::Run { .. } => {}
            }
        }
        Ok(())
    }
}

/// Whether a container seems to be dead of which the state does not know it. It takes no lock: who is just being made or
/// taken down may seem so, too.
pub fn has_dead(store: &Store) -> std::result::Result<bool, StoreError> {
    let endpoints: Vec<Endpoint> = store.all()?.into_iter().map(|(endpoint, _)| endpoint).collect();
    if endpoints.iter().any(|endpoint| index_of(&endpoint.link()).is_none()) {
        return Ok(true);
    }
    let placed: HashSet<&str> = endpoints.iter().map(|endpoint| endpoint.container.as_str()).collect();
    let mut running = store.all::<Container>()?.into_iter().map(|(container, _)| container);
    Ok(running.any(|container| {
        container.state.status == Status::Running
            && match &container.origin {
                Origin::Run { .. } => !is_alive(container.state.pid, container.state.start),
                Origin::Attached { netns, cookie, .. } => {
                    !placed.contains(container.id.as_str())
                        && !attached_netns(netns, *cookie).is_ok_and(|netns| netns.is_some())
                }
            }
    }))
}
