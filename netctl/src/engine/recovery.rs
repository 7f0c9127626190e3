//! What a dead command, a dead container or a reboot left: finished or undone by whoever comes next.

use super::{Engine, Result};
use crate::{
    failpoint::failpoint,
    kernel::{Cgroup, is_alive},
    model::{Container, Endpoint, Network, Origin, Status},
    store::Phase,
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
        self.finish_moves()
    }

    /// Takes down what belongs to containers that have ended or whose namespace is gone.
    pub fn tidy(&self) -> Result<()> {
        for (container, _) in self.store.all::<Container>()? {
            if container.state.status != Status::Running {
                continue;
            }
            match &container.origin {
                Origin::Run { .. } if !is_alive(container.state.pid, container.state.start) => {
                    self.record_exit(&container, None)?;
                }
                Origin::Attached { .. } if self.has_vanished(&container)? => self.erase_container(&container)?,
                _ => {}
            }
        }
        Ok(())
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
        if let Some(cgroup) = Cgroup::named(container.id.as_str()) {
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
