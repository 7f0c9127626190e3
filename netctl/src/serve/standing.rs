//! Which `serve` is the one of its engine: a lock for life, a file that says who holds it, and as many descriptors as it may need.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    path::Path,
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::{
    engine::{Dirs, Error, Result},
    kernel::start_time,
};

/// The lock of the one `serve` of an engine, for life.
pub(super) fn stand_alone(dirs: &Dirs, automatic: bool) -> Result<Option<File>> {
    let path = dirs.serve_lock();
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(Error::file("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) if automatic => return Ok(None),
        Err(TryLockError::WouldBlock) => {
            dismiss_automatic(dirs)?;
            file.lock().map_err(Error::file("lock", &path))?;
        }
        Err(TryLockError::Error(error)) => return Err(Error::file("lock", &path)(error)),
    }
    let pid: u32 = std::process::id();
    let how = if automatic { "automatic" } else { "by-hand" };
    replace(&dirs.serve_pid(), &format!("{pid} {} {how}\n", start_time(pid).unwrap_or(0)))?;
    Ok(Some(file))
}

/// Ends the automatic one that holds the lock: one by hand takes its place.
///
/// # Errors
/// Where the one that holds the lock was started by hand.
fn dismiss_automatic(dirs: &Dirs) -> Result<()> {
    let text = fs::read_to_string(dirs.serve_pid()).unwrap_or_default();
    let mut words = text.split_whitespace();
    let pid = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    if words.nth(1) != Some("automatic") || pid == 0 {
        return Err(Error::ServeRuns(pid));
    }
    // One that has just gone by itself is as good.
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.cast_signed()), nix::sys::signal::Signal::SIGTERM);
    Ok(())
}

/// Readers find the old text or the new one, never a part.
fn replace(path: &Path, text: &str) -> Result<()> {
    let fresh = path.with_extension("new");
    fs::write(&fresh, text).map_err(Error::file("write", &fresh))?;
    fs::rename(&fresh, path).map_err(Error::file("write", path))
}

/// A flood of connections shall not leave the resolver without descriptors for its own questions.
pub(super) fn raise_descriptor_limit() {
    let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    // Many networks need many sockets; what the kernel would give to anybody may be more than the caller had.
    let kernels =
        fs::read_to_string("/proc/sys/fs/nr_open").ok().and_then(|text| text.trim().parse().ok()).unwrap_or(most);
    let raised = setrlimit(Resource::RLIMIT_NOFILE, kernels.max(most), kernels.max(most));
    let _ = raised.or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, most, most));
}
