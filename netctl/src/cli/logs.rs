//! `netctl logs`.

use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
    time::Duration,
};

use netctl::{
    engine::{Dirs, Engine, Error, Result},
    model::{Origin, Status},
};

use super::dispatch::Outcome;

/// Prints what a container has written; with `follow`, until it ends.
pub fn logs(dirs: &Dirs, name: &str, follow: bool) -> Outcome {
    let container = Engine::open_for(dirs, name)?.container(name)?;
    let Origin::Run { log: Some(path), .. } = &container.origin else {
        return Err(Error::NoLog(name.to_owned()));
    };
    let mut file = File::open(path).map_err(Error::file("open", path))?;
    copy(&mut file, path)?;
    while follow && is_running(dirs, name)? {
        copy(&mut file, path)?;
        std::thread::park_timeout(Duration::from_millis(100));
    }
    copy(&mut file, path)?;
    Ok(0)
}

fn is_running(dirs: &Dirs, name: &str) -> Result<bool> {
    match Engine::open_for(dirs, name)?.container(name) {
        Ok(container) => Ok(container.state.status == Status::Running),
        Err(Error::NoContainer(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

fn copy(file: &mut File, path: &Path) -> Result<()> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(Error::file("read", path))?;
    let mut out = std::io::stdout();
    out.write_all(&bytes).and_then(|()| out.flush()).map_err(Error::file("write to", "standard output"))
}
