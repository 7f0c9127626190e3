//! Starting the resident half when a command needs names, and telling it of changes.

use std::{
    fs::OpenOptions,
    io::{Read, Write},
    os::unix::{net::UnixStream, process::CommandExt},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    engine::{Dirs, Error, Result},
    failpoint::spare,
    model::Id,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// What a command has changed.
#[derive(Clone, Copy, Debug)]
pub enum Changed<'a> {
    /// One container, or where it is.
    Container(&'a Id),
    /// Which networks there are.
    Networks,
    /// Nobody knows what.
    Anything,
}

impl Changed<'_> {
    /// As it is told: a word, then an identifier or nothing.
    fn line(self) -> String {
        match self {
            Self::Container(id) => format!("{CONTAINER} {id}\n"),
            Self::Networks => format!("{NETWORKS}\n"),
            Self::Anything => format!("{ANYTHING}\n"),
        }
    }
}

/// The words of [`Changed`].
pub(super) const CONTAINER: &str = "container";
pub(super) const NETWORKS: &str = "networks";
pub(super) const ANYTHING: &str = "sync";

/// Makes sure that `serve` runs and knows what has changed.
pub fn ensure(dirs: &Dirs, changed: Changed<'_>) -> Result<()> {
    if nudge(dirs, changed) {
        return Ok(());
    }
    let mut child = spawn(dirs)?;
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(2);
    while Instant::now() < deadline {
        if nudge(dirs, changed) {
            return Ok(());
        }
        std::thread::park_timeout(pause);
        // It gives way to one that runs; where that was ending just then, another is needed.
        match child.try_wait() {
            Ok(Some(status)) if status.success() => child = spawn(dirs)?,
            Ok(Some(status)) => return Err(Error::Serve(format!("{status}; see {}", dirs.serve_log().display()))),
            _ => {}
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    Err(Error::Serve(format!("no answer in {} s; see {}", PATIENCE.as_secs(), dirs.serve_log().display())))
}

/// Makes sure that `serve` runs, which knows of changes already if it does.
pub fn ensure_running(dirs: &Dirs) -> Result<()> {
    if UnixStream::connect(dirs.serve_socket()).is_ok() { Ok(()) } else { ensure(dirs, Changed::Anything) }
}

/// Tells `serve`, if it runs, what to look at again, and waits until it has. It also hooks interfaces that have come.
pub fn nudge(dirs: &Dirs, changed: Changed<'_>) -> bool {
    let Ok(mut stream) = UnixStream::connect(dirs.serve_socket()) else {
        return false;
    };
    let mut answer = [0; 3];
    stream.set_read_timeout(Some(PATIENCE)).is_ok()
        && stream.write_all(changed.line().as_bytes()).is_ok()
        && stream.read_exact(&mut answer).is_ok()
}

/// It gets a session of its own and holds nothing of the caller's.
fn spawn(dirs: &Dirs) -> Result<Child> {
    let path = dirs.serve_log();
    let log = OpenOptions::new().create(true).append(true).open(&path).map_err(Error::file("open", &path))?;
    let program = std::env::current_exe().map_err(|error| Error::Serve(error.to_string()))?;
    let mut command = Command::new(program);
    command.args(dirs.arguments()).args(["serve", "--automatic"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).current_dir("/");
    spare(&mut command);
    // SAFETY: both calls are safe between fork and exec.
    unsafe {
        command.pre_exec(|| {
            nix::libc::setsid();
            // Whoever began the command may have left descriptors open for its children.
            nix::libc::close_range(3, nix::libc::c_uint::MAX, nix::libc::CLOSE_RANGE_CLOEXEC.cast_signed());
            Ok(())
        });
    }
    command.spawn().map_err(|error| Error::Serve(error.to_string()))
}
