//! A mount namespace whose /run is a test's own: what is made there, named namespaces and sockets, meets nobody else's.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::{Child, Namespace, wait};

const DEADLINE: Duration = Duration::from_secs(5);

/// The mount namespace, as long as this lives.
#[derive(Debug)]
pub struct OwnRun {
    holder: Child,
}

impl OwnRun {
    /// Makes one with an empty /run.
    ///
    /// # Errors
    /// Without the privilege to mount.
    pub fn new(network: &Namespace) -> Result<Self> {
        let set_up = "mount -t tmpfs none /run; echo ready; exec sleep 100000";
        let mut command = network.command("unshare")?;
        let holder = Child::spawn(command.args(["--mount", "--propagation", "private", "sh", "-ec", set_up]))?;
        wait::until(DEADLINE, "the mount namespace", || Ok(holder.stdout()?.contains("ready")))?;
        Ok(Self { holder })
    }

    /// A command that enters it, and a network namespace, before it executes `program`.
    ///
    /// # Errors
    /// When the network namespace has gone.
    pub fn command(&self, network: &Namespace, program: &str) -> Result<Command> {
        let mut command = network.command("nsenter")?;
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id())).arg(program);
        Ok(command)
    }
}
