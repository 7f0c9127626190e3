//! Debian's Podman on a test's host, with netctl as its network back end: store, networks, sockets and control groups are its own
//! alone, and go with it. No registry is asked: the one image is made of busybox.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    rc::Rc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    Enclosure, Ended, Host, cni,
    enclosure::remove_groups,
    image::{self, IMAGE},
    program, wait,
};

const DEADLINE: Duration = Duration::from_secs(40);

/// Debian's own, before any other in the path.
const PODMAN: &str = "/usr/bin/podman";

/// Debian's network back end.
pub const STOCK: &str = "/usr/lib/podman/netavark";

/// Podman's settings: no journal, no systemd, runc as it is packaged, limits that nobody need be allowed to raise.
const SETTINGS: &str = r#"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
helper_binaries_dir = ["HERE/helpers", "/usr/lib/podman"]
runtime = "runc"
[network]
network_backend = "BACKEND"
network_config_dir = "HERE/networks"
cni_plugin_dirs = ["HERE/plugins"]
"#;

/// A Podman of one test.
#[derive(Debug)]
pub struct Podman {
    enclosure: Rc<Enclosure>,
    environment: Vec<(&'static str, PathBuf)>,
    cgroup: String,
}

impl Podman {
    /// Sets it up on a host whose netctl commands run beside it from here on, and gives it its image.
    ///
    /// # Errors
    /// When it is not installed or fails.
    pub fn new(host: &mut Host) -> Result<Self> {
        let enclosure = enclosed(host)?;
        Self::beside(host, enclosure)
    }

    /// The same with CNI as its network back end, and our plugins.
    ///
    /// # Errors
    /// When it is not installed or fails.
    pub fn with_cni(host: &mut Host) -> Result<Self> {
        let enclosure = enclosed(host)?;
        enclosure.hide("/var/lib")?;
        Self::with(host, enclosure, "cni")
    }

    /// The same as [`Podman::new`] in an enclosure that another engine is in, where netctl's commands run already.
    ///
    /// # Errors
    /// When it is not installed or fails.
    pub fn beside(host: &Host, enclosure: Rc<Enclosure>) -> Result<Self> {
        Self::with(host, enclosure, "netavark")
    }

    fn with(host: &Host, enclosure: Rc<Enclosure>, backend: &str) -> Result<Self> {
        for program in [PODMAN, "/usr/sbin/runc", "/usr/bin/conmon"] {
            ensure!(Path::new(program).exists(), "{program} is not installed: apt-get install podman runc");
        }
        let here = enclosure.directory().join("podman");
        for directory in ["helpers", "networks", "root", "run", "tmp"] {
            fs::create_dir_all(here.join(directory))?;
        }
        write_helper(host, &here)?;
        cni::install(&here.join("plugins"))?;
        let settings = SETTINGS.replace("HERE", &here.to_string_lossy()).replace("BACKEND", backend);
        fs::write(here.join("containers.conf"), settings)?;
        let (run, root) = (here.join("run"), here.join("root"));
        let storage = format!("[storage]\ndriver = \"vfs\"\nrunroot = {run:?}\ngraphroot = {root:?}\n");
        fs::write(here.join("storage.conf"), storage)?;
        let mut environment: Vec<_> = host.environment().into();
        environment.push(("CONTAINERS_CONF", here.join("containers.conf")));
        environment.push(("CONTAINERS_STORAGE_CONF", here.join("storage.conf")));
        let cgroup = format!("netctl-test-{}", host.host.name());
        let podman = Self { enclosure, environment, cgroup };
        podman.import_image()?;
        Ok(podman)
    }

    /// A Podman command.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.within(PODMAN);
        let here = self.directory();
        for (option, directory) in [("--root", "root"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
            command.arg(option).arg(here.join(directory));
        }
        command.args(["--storage-driver", "vfs"]).args(arguments);
        command
    }

    /// Another program of Podman's host, with Podman's and netctl's settings.
    #[must_use]
    pub fn within(&self, program: &str) -> Command {
        let mut command = self.enclosure.command_on_host(program);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs Podman and tells how it ended.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn podman(&self, arguments: &[&str]) -> Result<Ended> {
        Ok(Ended::of(self.command(arguments).output().context("running podman")?))
    }

    /// Runs Podman, which has to succeed; what it printed.
    ///
    /// # Errors
    /// When it fails, with what it complained.
    pub fn ok(&self, arguments: &[&str]) -> Result<String> {
        let ended = self.podman(arguments)?;
        ensure!(ended.code == 0, "podman {} ended with {}: {}", arguments.join(" "), ended.code, ended.stderr);
        Ok(ended.stdout.trim_end().to_owned())
    }

    /// Begins a container of a command; its identifier.
    ///
    /// # Errors
    /// When Podman refuses.
    pub fn run(&self, options: &[&str], command: &[&str]) -> Result<String> {
        self.ok(&[&["run", "-d", &self.group()], options, &[IMAGE], command].concat())
    }

    /// Begins a container that lasts; its identifier.
    ///
    /// # Errors
    /// When Podman refuses.
    pub fn run_lasting(&self, options: &[&str]) -> Result<String> {
        self.run(options, &["sleep", "100000"])
    }

    /// The option that has containers and pods in this test's control group.
    #[must_use]
    pub fn group(&self) -> String {
        format!("--cgroup-parent=/{}", self.cgroup)
    }

    /// What a container says when asked to run a command.
    ///
    /// # Errors
    /// When the command fails.
    pub fn exec(&self, container: &str, command: &[&str]) -> Result<String> {
        self.ok(&[&["exec", container], command].concat())
    }

    /// A field of a container, by a Go template.
    ///
    /// # Errors
    /// When there is no such container.
    pub fn field(&self, container: &str, template: &str) -> Result<String> {
        self.ok(&["inspect", "--format", template, container])
    }

    /// A program that is this Podman, for those who call it by a path; containers and pods are in this test's control group.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn script(&self) -> Result<PathBuf> {
        let command = self.command(&[]);
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        let place = words.iter().position(|word| word == PODMAN).context("the program")?;
        let (words, group) = (words.get(place..).unwrap_or_default().join(" "), self.group());
        let path = self.directory().join("podman");
        let lines = [
            "#!/bin/bash".to_owned(),
            format!(
                "case $1 in run) set -- run {group} \"${{@:2}}\";; pod) set -- pod create {group} \"${{@:3}}\";; esac"
            ),
            format!("exec {words} \"$@\"\n"),
        ];
        fs::write(&path, lines.join("\n"))?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        Ok(path)
    }

    /// A directory that goes with it.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.enclosure.directory().join("podman")
    }

    fn import_image(&self) -> Result<()> {
        let archive = image::archive(&self.directory())?;
        self.ok(&["import", &archive.to_string_lossy(), IMAGE]).map(drop)
    }

    /// Removes all containers and networks by Podman's own commands, and has netctl's commands run outside again.
    ///
    /// # Errors
    /// When Podman cannot.
    pub fn finish(self, host: &mut Host) -> Result<()> {
        self.ok(&["pod", "rm", "-fa", "-t", "0"])?;
        let removed = self.podman(&["rm", "-fa", "-t", "0"])?;
        ensure!(removed.code == 0, "{removed:?}");
        let left = host.ok(&["ps", "-a", "--format", "{{.Engine}}"])?;
        ensure!(!left.contains("podman"), "Podman's containers are left: {left} {removed:?}");
        let networks = host.ok(&["network", "ls", "--format", "{{.Name}}"])?;
        let own = networks.lines().filter(|name| name.starts_with("podman"));
        ensure!(own.count() == 0, "Podman's networks are left: {networks}");
        host.enclose(None);
        Ok(())
    }
}

fn enclosed(host: &mut Host) -> Result<Rc<Enclosure>> {
    let enclosure = Rc::new(Enclosure::new(&host.host)?);
    host.enclose(Some(&enclosure));
    Ok(enclosure)
}

/// Podman's conmon has it cleaned up without the environment of whoever began the container: what names netctl's directories
/// has to be in the helper itself.
fn write_helper(host: &Host, here: &Path) -> Result<()> {
    fs::create_dir_all(here.join("named"))?;
    symlink(program()?, here.join("named/netavark"))?;
    let variables = host.environment().map(|(name, value)| format!("export {name}='{}'\n", value.display()));
    let helper = here.join("helpers/netavark");
    let call = format!("exec {} \"$@\"\n", here.join("named/netavark").display());
    fs::write(&helper, format!("#!/bin/sh\n{}{call}", variables.concat()))?;
    Ok(fs::set_permissions(&helper, Permissions::from_mode(0o755))?)
}

impl Drop for Podman {
    /// Control groups are the one thing that no namespace takes along.
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.enclosure.first()), Signal::SIGKILL);
        let gone = wait::until(DEADLINE, "empty control groups", || remove_groups(&self.cgroup));
        if let Err(error) = gone {
            eprintln!("control groups {} are left behind: {error:#}", self.cgroup);
        }
    }
}
