//! A dockerd of the benchmark's own, in namespaces of its own: what it mounts, starts and leaves behind goes with them.

use std::{
    io::{BufRead, BufReader},
    net::Ipv4Addr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use nix::{
    sys::{
        prctl,
        signal::{self, Signal},
    },
    unistd::Pid,
};
use tempfile::TempDir;

use super::{
    control_groups,
    program::{find, run},
};
use crate::bench::{Error, Result, contestants::Place};

/// What brings dockerd, its client and its proxy.
pub const PACKAGE: &str = "docker.io";

/// How long dockerd may take to answer.
const START: Duration = Duration::from_secs(30);

/// Pid 1 reaps what engines orphan. `/run` is the benchmark's own, so dockerd finds no other containerd there.
const SCRIPT: &str = r#"
    directory=$1; shift
    dockerd --data-root "$directory/data" --exec-root "$directory/exec" --pidfile "$directory/pid" \
        --host "unix://$directory/socket" "$@" &
    wait"#;

/// A running dockerd.
#[derive(Debug)]
pub struct Dockerd {
    /// `unshare`, with which its namespaces' processes end.
    process: Child,
    client: PathBuf,
    directory: TempDir,
}

/// A running container.
#[derive(Clone, Debug)]
pub struct Container {
    /// As Docker names it.
    pub id: String,
    /// On the bridge; none with `--network none`.
    pub address: Option<Ipv4Addr>,
    /// The file that stands for its network namespace, seen from here.
    pub netns: PathBuf,
}

impl Dockerd {
    /// Starts dockerd in a host namespace, waits until it answers, and gives it an image named `bench` with busybox alone.
    ///
    /// # Errors
    /// When it is not installed, or does not start.
    pub fn start(host: &Place, userland_proxy: bool, subnet: &str) -> Result<Self> {
        find("dockerd", PACKAGE)?;
        let client = find("docker", PACKAGE)?;
        let busybox = find("busybox", "busybox-static")?;
        let directory = tempfile::tempdir_in("/run").map_err(Error::file("make a directory in", "/run"))?;
        let cgroup = format!(
            "{}{}",
            control_groups::PREFIX,
            directory.path().file_name().unwrap_or_default().to_string_lossy().trim_start_matches('.')
        );
        let mut command = host.command("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-ec", SCRIPT, "sh"]);
        command.arg(directory.path());
        command.arg(format!("--userland-proxy={userland_proxy}"));
        command.args(["--bip", subnet, "--cgroup-parent", &format!("/{cgroup}")]);
        // SAFETY: between fork and exec the closure makes one system call.
        unsafe { command.pre_exec(|| Ok(prctl::set_pdeathsig(Signal::SIGKILL)?)) };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().map_err(Error::file("run", "unshare"))?;
        let log = process.stderr.take();
        let this = Self { process, client, directory };
        await_listening(log)?;
        this.import_image(&busybox)?;
        Ok(this)
    }

    /// Docker's own client for this dockerd.
    #[must_use]
    pub fn docker(&self, arguments: &[&str]) -> Command {
        let mut docker = Command::new(&self.client);
        docker.env("DOCKER_HOST", format!("unix://{}", self.directory.path().join("socket").display()));
        docker.args(arguments);
        docker
    }

    /// Where it keeps everything.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// `docker run` with these options, of a command that waits; gives the identifier.
    ///
    /// # Errors
    /// When Docker refuses.
    pub fn run(&self, options: &[&str]) -> Result<String> {
        let words = [&["run", "--detach"], options, &["bench", "sleep", "100000"]].concat();
        Ok(run(&mut self.docker(&words), b"")?.trim().to_owned())
    }

    /// Where a container is.
    ///
    /// # Errors
    /// When there is none.
    pub fn look_at(&self, id: &str) -> Result<Container> {
        let format = "{{.NetworkSettings.SandboxKey}} {{.NetworkSettings.IPAddress}}";
        let told = run(&mut self.docker(&["inspect", "--format", format, id]), b"")?;
        let (key, address) = told.trim().split_once(' ').unwrap_or((told.trim(), ""));
        // Its mounts are in dockerd's own mount namespace, which `unshare` shares.
        let root = PathBuf::from(format!("/proc/{}/root", self.process.id()));
        let netns = root.join(Path::new(key).strip_prefix("/").unwrap_or(Path::new(key)));
        Ok(Container { id: id.to_owned(), address: address.parse().ok(), netns })
    }

    /// `docker rm --force`.
    ///
    /// # Errors
    /// When Docker refuses.
    pub fn remove(&self, ids: &[String]) -> Result<()> {
        let words: Vec<&str> = ["rm", "--force"].into_iter().chain(ids.iter().map(String::as_str)).collect();
        run(&mut self.docker(&words), b"").map(drop)
    }

    /// The one child of `unshare`.
    fn first_processes(&self) -> Vec<Pid> {
        let id = self.process.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        children.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw).collect()
    }

    fn import_image(&self, busybox: &Path) -> Result<()> {
        let root = self.directory.path().join("root");
        let bin = root.join("bin");
        std::fs::create_dir_all(&bin).map_err(Error::file("make", &bin))?;
        std::fs::copy(busybox, bin.join("busybox")).map_err(Error::file("copy", busybox))?;
        std::os::unix::fs::symlink("busybox", bin.join("sleep")).map_err(Error::file("make", bin.join("sleep")))?;
        let archive = self.directory.path().join("image.tar");
        run(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&archive).arg("."), b"")?;
        run(self.docker(&["import"]).arg(&archive).arg("bench"), b"").map(drop)
    }
}

impl Drop for Dockerd {
    /// The pid namespace dies with its first process, and all that run in it; then their control groups are empty.
    fn drop(&mut self) {
        for first in self.first_processes() {
            let _ = signal::kill(first, Signal::SIGKILL);
        }
        // `unshare` ends when the first process has, and that one when all others have.
        let _ = self.process.wait();
        control_groups::clear();
    }
}

/// Reads dockerd's log to its end, on a thread: a full pipe would stop it.
fn await_listening(log: Option<ChildStderr>) -> Result<()> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut last = String::new();
        for line in BufReader::new(log?).lines().map_while(std::result::Result::ok) {
            if line.contains("API listen on") {
                let _ = tell.send(Ok(()));
            }
            if line.contains("level=error") || line.contains("level=fatal") || !line.contains("level=") {
                last = line;
            }
        }
        let _ = tell.send(Err(last));
        Some(())
    });
    let failed = |status: &str, complaint| Error::Program {
        program: "dockerd".to_owned(),
        status: status.to_owned(),
        complaint,
    };
    match told.recv_timeout(START) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(complaint)) => Err(failed("an error", complaint)),
        Err(_) => Err(failed("no answer", format!("it did not listen within {} s", START.as_secs()))),
    }
}
