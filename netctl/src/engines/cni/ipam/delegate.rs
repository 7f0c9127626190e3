//! The IPAM plugin of a configuration, called as a runtime calls plugins; ours are called without a process.

use std::{
    ffi::OsStr,
    io::Write,
    path::{Path, PathBuf},
    process::{self, Stdio},
};

use super::{host_local, static_addresses};
use crate::engines::cni::{
    Error, Plugin, Result,
    call::Call,
    environment::Command,
    wire::{AddedResult, read, read_failure, read_result},
};

/// Our own way of giving addresses, as `ipam.type` may name it.
const OWN: &str = "netctl";

/// A plugin that gives addresses.
#[derive(Debug)]
pub struct Ipam<'a> {
    call: &'a Call,
    program: Program,
}

#[derive(Debug)]
enum Program {
    HostLocal,
    Static,
    Other { name: String, path: PathBuf },
}

impl<'a> Ipam<'a> {
    /// The one that a configuration names; `None` where the engine itself gives addresses.
    ///
    /// # Errors
    /// Where it is not to be found in `CNI_PATH`.
    pub fn of(call: &'a Call) -> Result<Option<Self>> {
        let name = call.config.ipam.as_ref().and_then(|ipam| ipam.plugin.as_deref()).unwrap_or_default();
        if name.is_empty() || name == OWN {
            return Ok(None);
        }
        if name.contains('/') {
            return Err(Error::PluginName(name.to_owned()));
        }
        let found = find(&call.environment.path, name);
        let own = Plugin::of_program(OsStr::new(name));
        let program = match (found, own) {
            (Some(path), Some(own)) if is_ours(&path) => Program::of(own, path),
            (Some(path), _) => Program::Other { name: name.to_owned(), path },
            (None, Some(Plugin::HostLocal)) => Program::HostLocal,
            (None, Some(Plugin::Static)) => Program::Static,
            (None, _) => {
                let path = call.environment.path.to_string_lossy().into_owned();
                return Err(Error::NoPlugin { plugin: name.to_owned(), path });
            }
        };
        Ok(Some(Self { call, program }))
    }

    /// Asks for addresses.
    ///
    /// # Errors
    /// Its own, or that it gave nothing to read.
    pub fn add(&self) -> Result<AddedResult> {
        self.perform(Command::Add)?.ok_or(Error::NoAddress)
    }

    /// Asks for anything else.
    ///
    /// # Errors
    /// Its own.
    pub fn run(&self, command: Command) -> Result<()> {
        self.perform(command).map(drop)
    }

    fn perform(&self, command: Command) -> Result<Option<AddedResult>> {
        let call = self.call.with_command(command);
        match &self.program {
            Program::HostLocal => host_local(&call),
            Program::Static => static_addresses(&call),
            Program::Other { name, path } => {
                let printed = run(name, path, &call)?;
                if command == Command::Add {
                    read(&printed).and_then(|result| read_result(&result)).map(Some)
                } else {
                    Ok(None)
                }
            }
        }
    }
}

impl Program {
    fn of(plugin: Plugin, path: PathBuf) -> Self {
        match plugin {
            Plugin::HostLocal => Self::HostLocal,
            Plugin::Static => Self::Static,
            other => Self::Other { name: other.name().to_owned(), path },
        }
    }
}

fn find(directories: &OsStr, name: &str) -> Option<PathBuf> {
    std::env::split_paths(directories).map(|directory| directory.join(name)).find(|path| path.is_file())
}

/// Whether a program is this one, under whichever name.
fn is_ours(path: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let own = std::env::current_exe().ok().and_then(|path| real(&path));
    own.is_some() && real(path) == own
}

fn run(name: &str, path: &Path, call: &Call) -> Result<Vec<u8>> {
    let broken = |why: String| Error::DelegateBroken { plugin: name.to_owned(), why };
    let mut command = process::Command::new(path);
    command.env("CNI_COMMAND", call.environment.command.name());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().map_err(|error| broken(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that has ended without reading says why by itself.
        let _ = stdin.write_all(&call.text);
    }
    let output = child.wait_with_output().map_err(|error| broken(error.to_string()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Err(read_failure(&output.stdout).unwrap_or_else(|| broken(format!("{} {printed}", output.status))))
}
