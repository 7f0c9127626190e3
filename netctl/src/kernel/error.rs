//! What can go wrong between us and the kernel, with what was being done.

use std::{io, path::PathBuf};

/// A result of this layer.
pub type Result<T> = std::result::Result<T, KernelError>;

/// A failed request to the kernel.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// A system call failed.
    #[error("{action}: {source}")]
    System {
        /// What was being done.
        action: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A file could not be used.
    #[error("{action} {path}: {source}", path = path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A netlink request failed.
    #[error("{action} {subject}: {source}")]
    Netlink {
        /// What was being done.
        action: &'static str,
        /// To what.
        subject: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel lacks something that netctl cannot do without.
    #[error("this kernel has no {feature}: {cure}")]
    MissingFeature {
        /// What is missing.
        feature: &'static str,
        /// What to do about it.
        cure: &'static str,
    },
    /// The programs could not be loaded.
    #[error("cannot load the data plane: {}", causes(.0))]
    Load(#[from] Box<aya::EbpfError>),
    /// A program could not be used.
    #[error("cannot {action} program {program}: {source}")]
    Program {
        /// What was being done.
        action: &'static str,
        /// The program.
        program: &'static str,
        /// aya's answer.
        source: Box<aya::programs::ProgramError>,
    },
    /// A map could not be used.
    #[error("cannot {action} map {map}: {source}")]
    Map {
        /// What was being done.
        action: &'static str,
        /// The map.
        map: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A pinned map is not what this version needs.
    #[error(
        "the pinned map {map} has another layout; `netctl dataplane unload` with the version that made it, then load"
    )]
    MapLayout {
        /// The map.
        map: &'static str,
    },
    /// Somebody else holds the lock.
    #[error("another netctl command (pid {holder}) has held {path} for 30 s; wait for it or end it", path = path.display())]
    Locked {
        /// Its process id as it wrote it, or `unknown`.
        holder: String,
        /// The lock file.
        path: PathBuf,
    },
    /// The namespace file is none.
    #[error("{path} is not a network namespace", path = path.display())]
    NotANamespace {
        /// The file.
        path: PathBuf,
    },
}

impl KernelError {
    /// For `map_err`: a system call that failed.
    pub fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { action, source }
    }

    /// For `map_err`: a system call that failed, from nix.
    pub fn errno(action: &'static str) -> impl FnOnce(nix::errno::Errno) -> Self {
        move |source| Self::System { action, source: source.into() }
    }

    /// For `map_err`: a file that could not be used.
    pub fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}

/// An error with all that it was caused by.
fn causes(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
