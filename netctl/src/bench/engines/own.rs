//! netctl itself as a program: this very binary, on a host of the benchmark's, with directories of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::program::run;
use crate::{
    bench::{Error, Result, contestants::Place},
    engine::Dirs,
};

/// An engine of netctl's.
#[derive(Debug)]
pub struct Own {
    host: Place,
    dirs: Dirs,
    directory: PathBuf,
}

impl Own {
    /// Nothing is made before the first command.
    ///
    /// # Errors
    /// When there can be no directories.
    pub fn new(host: &Place) -> Result<Self> {
        // In bpffs no name has a dot.
        let made = tempfile::Builder::new().prefix("netctl-bench-").tempdir_in("/run");
        let directory = made.map_err(Error::file("make a directory in", "/run"))?.keep();
        let at = &directory;
        let resolv_conf = at.join("resolv.conf");
        fs::write(&resolv_conf, "nameserver 198.18.0.2\n").map_err(Error::file("write", &resolv_conf))?;
        let bpffs = Path::new("/sys/fs/bpf").join(at.file_name().unwrap_or_default());
        let dirs = Dirs { state: at.join("state"), run: at.join("run"), bpffs, resolv_conf };
        Ok(Self { host: host.clone(), dirs, directory })
    }

    /// A command of this engine.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.host.command("/proc/self/exe");
        command.args(self.dirs.arguments()).args(words);
        command
    }

    /// Runs a command that has to succeed, and gives what it prints.
    ///
    /// # Errors
    /// When it fails.
    pub fn ok(&self, words: &[&str]) -> Result<String> {
        run(&mut self.command(words), b"")
    }

    /// The pid of its resident process.
    #[must_use]
    pub fn serve(&self) -> Option<i32> {
        fs::read_to_string(self.dirs.serve_pid()).ok()?.split_whitespace().next()?.parse().ok()
    }

    /// Its directories.
    #[must_use]
    pub fn dirs(&self) -> &Dirs {
        &self.dirs
    }
}

impl Drop for Own {
    /// The namespaces take links and hooks with them.
    fn drop(&mut self) {
        if let Some(pid) = self.serve() {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
        // Neither is an error for whoever measures; a name that is left says whose it is.
        let _ = fs::remove_dir_all(&self.dirs.bpffs);
        let _ = fs::remove_dir_all(&self.directory);
    }
}
