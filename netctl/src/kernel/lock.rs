//! The lock under which an engine is changed: one command at a time.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, Instant},
};

use super::{KernelError, Result};

const PATIENCE: Duration = Duration::from_secs(30);

/// Held until dropped, or until the process ends however it ends. No child inherits it.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock, waiting up to 30 s for whoever holds it. Nothing where that one has removed the file meanwhile, with
    /// all that the lock was for.
    pub fn take(path: &Path) -> Result<Option<Self>> {
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
        Self::wait(file.map_err(KernelError::file("open the lock", path))?, path)
    }

    /// The same, where there is one.
    pub fn take_existing(path: &Path) -> Result<Option<Self>> {
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => Self::wait(file, path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(KernelError::file("open the lock", path)(error)),
        }
    }

    fn wait(file: File, path: &Path) -> Result<Option<Self>> {
        let mut lock = Self { file };
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_micros(200);
        loop {
            match lock.file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::park_timeout(pause);
                    pause = (pause * 2).min(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(KernelError::Locked { holder: lock.holder(), path: path.to_owned() });
                }
                Err(TryLockError::Error(source)) => return Err(KernelError::file("lock", path)(source)),
            }
        }
        let is_there = match (lock.file.metadata(), std::fs::metadata(path)) {
            (Ok(held), Ok(there)) => held.ino() == there.ino(),
            _ => false,
        };
        lock.sign();
        Ok(is_there.then_some(lock))
    }

    /// Writes our pid, for whoever waits too long. It is a courtesy: failing to is no reason to fail.
    fn sign(&mut self) {
        let _ = self.file.rewind();
        // As wide as any pid, so that nothing of a longer one stays.
        let _ = write!(self.file, "{:<10}", std::process::id());
    }

    fn holder(&mut self) -> String {
        let mut text = String::new();
        let read = self.file.rewind().and_then(|()| self.file.read_to_string(&mut text));
        let pid = text.trim();
        if read.is_ok() && !pid.is_empty() { pid.to_owned() } else { "unknown".to_owned() }
    }
}
