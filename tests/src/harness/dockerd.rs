//! Debian's dockerd and its client on a test's host, with netctl as their plugin: data, sockets, images and control groups are
//! theirs alone, and go with them. No registry is asked: the one image is made of busybox.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    rc::Rc,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    Child, Enclosure, Ended, Host,
    enclosure::{child_of, remove_groups},
    image::{self, IMAGE},
    wait,
};

/// Long enough for a busy machine.
const DEADLINE: Duration = Duration::from_secs(40);

/// Debian's own, before any other in the path.
const CLIENT: &str = "/usr/bin/docker";
const DAEMON: &str = "/usr/sbin/dockerd";
const COMPOSE: &str = "/usr/bin/docker-compose";

/// Where dockerd finds its plugin, inside the enclosure.
pub const PLUGIN: &str = "/run/docker/plugins/netctl.sock";

/// A dockerd, and a `netctl serve` that is its plugin.
#[derive(Debug)]
pub struct Docker {
    daemon: Option<Child>,
    serve: Option<Child>,
    enclosure: Rc<Enclosure>,
    cgroup: String,
    boots: u32,
}

impl Docker {
    /// Starts both on a host whose netctl commands run beside them from here on, and gives dockerd its image.
    ///
    /// # Errors
    /// When one is not installed or does not start.
    pub fn start(host: &mut Host) -> Result<Self> {
        Self::start_with(host, &[])
    }

    /// The same, with options of dockerd's.
    ///
    /// # Errors
    /// When one is not installed or does not start.
    pub fn start_with(host: &mut Host, options: &[&str]) -> Result<Self> {
        for program in [CLIENT, DAEMON] {
            ensure!(Path::new(program).exists(), "{program} is not installed: apt-get install docker.io");
        }
        let enclosure = Rc::new(Enclosure::new(&host.host)?);
        host.enclose(Some(&enclosure));
        let cgroup = format!("netctl-test-{}", host.host.name());
        let mut docker = Self { daemon: None, serve: None, enclosure, cgroup, boots: 0 };
        docker.start_serve(host)?;
        docker.start_daemon(host, options)?;
        docker.import_image()?;
        Ok(docker)
    }

    /// Begins `netctl serve` as a user would by hand.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn start_serve(&mut self, host: &Host) -> Result<()> {
        let url = format!("unix://{}", self.socket().display());
        let mut serve = Child::spawn(&mut host.command(&["serve", "--docker-host", &url])?)?;
        let socket = host.run_dir().join("serve.sock");
        wait::until(DEADLINE, "netctl serve", || {
            ensure!(serve.is_running()?, "netctl serve: {}", serve.stderr()?);
            Ok(std::os::unix::net::UnixStream::connect(&socket).is_ok())
        })?;
        self.serve = Some(serve);
        Ok(())
    }

    /// Kills `netctl serve` at once.
    ///
    /// # Errors
    /// When it does not go.
    pub fn kill_serve(&mut self) -> Result<()> {
        kill_child(self.serve.take().context("netctl serve runs")?, Signal::SIGKILL)
    }

    /// What `netctl serve` has complained.
    ///
    /// # Errors
    /// When it does not run.
    pub fn complaints(&self) -> Result<String> {
        self.serve.as_ref().context("netctl serve runs")?.stderr()
    }

    /// Begins dockerd, on the data of the one before.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn start_daemon(&mut self, host: &Host, options: &[&str]) -> Result<()> {
        let daemon = self.spawn_daemon(host, options)?;
        self.await_daemon(daemon)
    }

    fn spawn_daemon(&self, host: &Host, options: &[&str]) -> Result<Child> {
        let directory = self.enclosure.directory();
        let mut command = self.enclosure.command(&host.host, DAEMON)?;
        command.arg("--data-root").arg(directory.join("data"));
        command.arg("--exec-root").arg(directory.join(format!("exec{}", self.boots)));
        command.arg("--pidfile").arg(directory.join("pid"));
        command.arg("--host").arg(format!("unix://{}", self.socket().display()));
        command.args(["--cgroup-parent", &format!("/{}", self.cgroup)]).args(options);
        Child::spawn(&mut command)
    }

    fn await_daemon(&mut self, mut daemon: Child) -> Result<()> {
        wait::until(DEADLINE, "dockerd", || {
            ensure!(daemon.is_running()?, "dockerd: {}", daemon.stderr()?);
            Ok(daemon.stderr()?.contains("API listen on"))
        })?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// Ends dockerd by a signal.
    ///
    /// # Errors
    /// When it does not go.
    pub fn end_daemon(&mut self, signal: Signal) -> Result<()> {
        kill_child(self.daemon.take().context("dockerd runs")?, signal)?;
        // One that was killed leaves it.
        let _ = fs::remove_file(self.enclosure.directory().join("pid"));
        Ok(())
    }

    /// After both have been killed from outside: what they have left that only a boot takes away goes.
    ///
    /// # Errors
    /// When one has not ended.
    pub fn forget_the_dead(&mut self) -> Result<()> {
        for mut dead in self.daemon.take().into_iter().chain(self.serve.take()) {
            dead.wait(DEADLINE)?;
        }
        // A directory of mounts that a boot takes away is left alone, and another one taken.
        self.boots += 1;
        fs::remove_file(self.enclosure.directory().join("pid"))?;
        Ok(())
    }

    /// Begins dockerd, and `netctl serve` while dockerd waits for it.
    ///
    /// # Errors
    /// When one does not answer.
    pub fn start_both(&mut self, host: &Host) -> Result<()> {
        let mut late = self.spawn_daemon(host, &[])?;
        wait::until(DEADLINE, "dockerd to begin", || {
            ensure!(late.is_running()?, "dockerd: {}", late.stderr()?);
            Ok(late.stderr()?.contains("Loading containers: start"))
        })?;
        self.start_serve(host)?;
        self.await_daemon(late)
    }

    /// What dockerd has logged.
    ///
    /// # Errors
    /// When it does not run.
    pub fn log(&self) -> Result<String> {
        self.daemon.as_ref().context("dockerd runs")?.stderr()
    }

    /// Docker's client for this dockerd.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.client(CLIENT, arguments)
    }

    /// docker-compose for this dockerd.
    #[must_use]
    pub fn compose(&self, arguments: &[&str]) -> Command {
        self.client(COMPOSE, arguments)
    }

    fn client(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.env("DOCKER_HOST", format!("unix://{}", self.socket().display()));
        // No user's settings take part.
        command.env("DOCKER_CONFIG", self.enclosure.directory()).args(arguments);
        command
    }

    /// Runs Docker's client and tells how it ended.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn docker(&self, arguments: &[&str]) -> Result<Ended> {
        Ok(Ended::of(self.command(arguments).output().context("running docker")?))
    }

    /// Runs Docker's client, which has to succeed; what it printed.
    ///
    /// # Errors
    /// When it fails, with what it complained.
    pub fn ok(&self, arguments: &[&str]) -> Result<String> {
        let ended = self.docker(arguments)?;
        ensure!(ended.code == 0, "docker {} ended with {}: {}", arguments.join(" "), ended.code, ended.stderr);
        Ok(ended.stdout.trim_end().to_owned())
    }

    /// Begins a container of a command; its identifier.
    ///
    /// # Errors
    /// When Docker refuses.
    pub fn run(&self, options: &[&str], command: &[&str]) -> Result<String> {
        self.ok(&[&["run", "-d"], options, &[IMAGE], command].concat())
    }

    /// The socket on which dockerd answers, which is seen from everywhere.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.enclosure.directory().join("docker.sock")
    }

    /// The namespaces that it is in.
    #[must_use]
    pub fn enclosure(&self) -> &Rc<Enclosure> {
        &self.enclosure
    }

    fn import_image(&self) -> Result<()> {
        let archive = image::archive(self.enclosure.directory())?;
        self.ok(&["import", &archive.to_string_lossy(), IMAGE]).map(drop)
    }

    /// Ends everything, and has netctl's commands run outside again.
    ///
    /// # Errors
    /// When dockerd cannot remove its containers.
    pub fn finish(self, host: &mut Host) -> Result<()> {
        let all = self.ok(&["ps", "-aq"])?;
        for container in all.lines() {
            self.ok(&["rm", "-f", container])?;
        }
        for network in self.ok(&["network", "ls", "-q", "--filter", "type=custom"])?.lines() {
            self.ok(&["network", "rm", network])?;
        }
        host.enclose(None);
        Ok(())
    }
}

/// Ends what `nsenter` has begun.
fn kill_child(mut nsenter: Child, signal: Signal) -> Result<()> {
    match child_of(nsenter.id())? {
        Some(child) => kill(Pid::from_raw(child), signal)?,
        None => bail!("it has ended by itself: {}", nsenter.stderr()?),
    }
    nsenter.wait(DEADLINE).map(drop)
}

impl Drop for Docker {
    /// Control groups are the one thing that no namespace takes along.
    fn drop(&mut self) {
        let first = Pid::from_raw(self.enclosure.first());
        let _ = kill(first, Signal::SIGKILL);
        let gone = wait::until(DEADLINE, "empty control groups", || remove_groups(&self.cgroup));
        if let Err(error) = gone {
            eprintln!("control groups {} are left behind: {error:#}", self.cgroup);
        }
    }
}
