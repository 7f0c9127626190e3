//! The userland proxy of Docker, one process for one published port, started as dockerd starts it.

use std::{
    io::Read,
    net::SocketAddrV4,
    os::{fd::AsRawFd, unix::process::CommandExt},
    process::{Child, Stdio},
};

use nix::{
    fcntl::OFlag,
    libc,
    sched::{CpuSet, sched_setaffinity},
    sys::{prctl, signal::Signal},
    unistd::{self, Pid},
};

use super::{dockerd::PACKAGE, program::find};
use crate::bench::{Error, Result, contestants::Place};

/// A running proxy.
#[derive(Debug)]
pub struct DockerProxy {
    process: Child,
}

impl DockerProxy {
    /// Starts it in a host namespace, on one CPU; it listens when this returns.
    ///
    /// # Errors
    /// When it is not installed, or the port is taken.
    pub fn start(host: &Place, listen: SocketAddrV4, container: SocketAddrV4, cpu: usize) -> Result<Self> {
        let program = find("docker-proxy", PACKAGE)?;
        let mut command = host.command(&program);
        command.args(["-proto", "tcp", "-host-ip", &listen.ip().to_string()]);
        command.args(["-host-port", &listen.port().to_string()]);
        command.args(["-container-ip", &container.ip().to_string()]);
        command.args(["-container-port", &container.port().to_string()]);
        let (reads, writes) = unistd::pipe2(OFlag::O_CLOEXEC).map_err(Error::socket("a pipe to docker-proxy"))?;
        let end = writes.as_raw_fd();
        let mut only = CpuSet::new();
        only.set(cpu).map_err(Error::pinning(cpu))?;
        // SAFETY: between fork and exec the closure makes a few system calls. The proxy tells of itself by descriptor 3.
        unsafe {
            command.pre_exec(move || {
                prctl::set_pdeathsig(Signal::SIGKILL)?;
                sched_setaffinity(Pid::from_raw(0), &only)?;
                // As the ends have it.
                if libc::setpriority(libc::PRIO_PROCESS, 0, -20) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                if libc::dup2(end, 3) < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
            });
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().map_err(Error::file("run", program))?;
        drop(writes);
        let this = Self { process };
        let mut answer = String::new();
        std::fs::File::from(reads).read_to_string(&mut answer).map_err(Error::socket("the answer of docker-proxy"))?;
        if answer.starts_with('0') {
            return Ok(this);
        }
        Err(Error::Program { program: "docker-proxy".to_owned(), status: "an error".to_owned(), complaint: answer })
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for DockerProxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
