//! A process that ends with its guard, its output kept in files. Not for short commands: `Namespace::sh` runs those.

use std::fs::{self, File};
use std::process::{self, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::wait;

const GRACE: Duration = Duration::from_secs(3);

/// A running server or tool of a test.
#[derive(Debug)]
pub struct Child {
    program: String,
    process: process::Child,
    output: TempDir,
}

impl Child {
    /// Starts a command with its standard output and standard error going to files.
    ///
    /// # Errors
    /// When the program cannot be executed, or its namespace cannot be entered.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let output = tempfile::tempdir().context("a directory for the output")?;
        let stdout = File::create(output.path().join("stdout"))?;
        let stderr = File::create(output.path().join("stderr"))?;
        let process = command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("starting {program}"))?;
        Ok(Self { program, process, output })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has written to standard output so far.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn stdout(&self) -> Result<String> {
        self.written("stdout")
    }

    /// What it has written to standard error so far.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn stderr(&self) -> Result<String> {
        self.written("stderr")
    }

    /// Whether it has not ended yet.
    ///
    /// # Errors
    /// When the kernel does not know the process.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.process.try_wait()?.is_none())
    }

    /// Sends a signal. Must not be used after the process was seen to have ended: its id may be another's by then.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.process.id()).context("a process id")?;
        kill(Pid::from_raw(id), signal).with_context(|| format!("{signal} to {}", self.program))
    }

    /// Waits until the process ends by itself.
    ///
    /// # Errors
    /// When it is still running at the deadline.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let mut status = None;
        wait::until(deadline, &format!("the end of {}", self.program), || {
            status = self.process.try_wait()?;
            Ok(status.is_some())
        })?;
        status.context("a process that ended has a status")
    }

    /// Ends the process: asks by TERM, and kills it when it does not go.
    ///
    /// # Errors
    /// When the kernel refuses to signal or to reap it.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.process.try_wait()? {
            return Ok(status);
        }
        self.signal(Signal::SIGTERM)?;
        self.wait(GRACE).or_else(|_| {
            self.process.kill()?;
            Ok(self.process.wait()?)
        })
    }

    fn written(&self, stream: &str) -> Result<String> {
        let bytes = fs::read(self.output.path().join(stream))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("{} ({}) is left behind: {error:#}", self.program, self.process.id());
        }
    }
}
