//! Why a run failed: what was being done, by which contestant.

use std::{io, path::PathBuf};

use nix::errno::Errno;

use crate::kernel::KernelError;

/// A result of the benchmark.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// A contestant failed, or something went wrong beneath it.
    #[error("{contestant}: {source}")]
    Of {
        /// Its name.
        contestant: String,
        /// What went wrong.
        source: Box<Error>,
    },
    /// A thread cannot be kept on a CPU.
    #[error("cannot keep a thread on CPU {cpu} ahead of others: {source}; run netctl bench as root")]
    Pinning {
        /// The CPU.
        cpu: usize,
        /// The kernel's answer.
        source: Errno,
    },
    /// A call on a socket failed, a lost answer among them.
    #[error("{action}: {source}")]
    Socket {
        /// What was being done, and with whom.
        action: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The path does not do what is said of it.
    #[error("{what}: {found} instead of {wanted}; nothing is measured on a path that is wrong")]
    Wrong {
        /// What was looked at.
        what: String,
        /// What it has to be.
        wanted: String,
        /// What it is.
        found: String,
    },
    /// A measurement that gave nothing.
    #[error("{contestant}: {rate} operations a second")]
    NoRate {
        /// Whose.
        contestant: String,
        /// What it gave.
        rate: f64,
    },
    /// A contestant's program is not installed.
    #[error("{program} is not installed; it comes with the Debian package {package}")]
    NotInstalled {
        /// The program.
        program: &'static str,
        /// The Debian package that brings it.
        package: &'static str,
    },
    /// A contestant's own program failed.
    #[error("{program} ended with {status}: {complaint}")]
    Program {
        /// The program and its first words.
        program: String,
        /// How it ended.
        status: String,
        /// What it wrote to standard error.
        complaint: String,
    },
    /// No scenario of that name.
    #[error("SCENARIO: there is no {name:?}; `netctl bench --list` names them all{}", nearest.as_ref().map(|near| format!(", {near} among them")).unwrap_or_default())]
    NoScenario {
        /// What was asked for.
        name: String,
        /// What is written nearly so.
        nearest: Option<String>,
    },
    /// The process that measures has failed.
    #[error("{complaint}")]
    Run {
        /// What it said.
        complaint: String,
    },
    /// A contestant would take longer than a scenario may.
    #[error("{what} takes too long here")]
    TooLong {
        /// What was being done.
        what: String,
    },
    /// A file or a directory could not be used.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    File {
        /// What was to be done.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl Error {
    /// The same error, told of a contestant.
    #[must_use]
    pub fn of(self, contestant: &str) -> Self {
        Self::Of { contestant: contestant.to_owned(), source: Box::new(self) }
    }

    /// What is not installed, if that is all that is wrong.
    #[must_use]
    pub fn not_installed(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::NotInstalled { program, package } => Some((program, package)),
            Self::Of { source, .. } => source.not_installed(),
            _ => None,
        }
    }

    /// Whether the words of the command are wrong.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NoScenario { .. })
    }

    /// For `map_err`: a thread that cannot be pinned.
    pub fn pinning(cpu: usize) -> impl FnOnce(Errno) -> Self {
        move |source| Self::Pinning { cpu, source }
    }

    /// For `map_err`: a call on a socket.
    pub fn socket<E: Into<io::Error>>(action: impl Into<String>) -> impl FnOnce(E) -> Self {
        let action = action.into();
        move |source| Self::Socket { action, source: source.into() }
    }

    /// For `map_err`: a file.
    pub fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
