//! The files that a container sees in place of the host's: resolv.conf, hosts and hostname. Not what is in them.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use super::file_texts::{self, Place};
use crate::{
    engine::{Engine, Error, Result},
    failpoint::failpoint,
    model::{Container, Endpoint},
};

/// The container's files and where they are mounted, for `run` and for what is run in an attached namespace.
pub const MOUNTED: [(&str, &str); 3] =
    [("resolv.conf", "/etc/resolv.conf"), ("hosts", "/etc/hosts"), ("hostname", "/etc/hostname")];

/// Makes the files anew for a container that is about to begin.
pub fn create(engine: &Engine, container: &Container) -> Result<()> {
    let directory = engine.dirs.container(container.id.as_str());
    fs::create_dir_all(&directory).map_err(Error::file("make", &directory))?;
    for (name, _) in MOUNTED {
        for path in [directory.join(name), record(&directory, name)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::file("remove", path)(error));
                }
                _ => {}
            }
        }
    }
    write(engine, container, &[])
}

/// Writes the container's files in place: they are mounted where the container looks. What somebody inside has added
/// stays: further lines of hosts, and a resolv.conf of their own.
pub fn write(engine: &Engine, container: &Container, endpoints: &[Endpoint]) -> Result<()> {
    let directory = engine.dirs.container(container.id.as_str());
    let gateways = engine.gateways_of(endpoints)?;
    let mut has_names = false;
    for endpoint in endpoints {
        has_names |= engine.network(endpoint.network.as_str())?.has_names();
    }
    let place = Place { endpoints, gateways: &gateways, has_names };
    let texts = file_texts::all(container, &place, &engine.dirs.resolv_conf);
    fs::create_dir_all(&directory).map_err(Error::file("make", &directory))?;
    for (name, text) in &texts {
        put(name, &directory.join(name), &record(&directory, name), text)?;
    }
    for (name, text) in &texts {
        if let Some((path, mark)) = engine.claim_netns_file(container, name)? {
            put(name, &path, &record(&directory, &format!("netns-{name}")), &format!("{mark}{text}"))?;
        }
    }
    Ok(())
}

/// Where it is kept which lines of a file are ours.
fn record(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.lines"))
}

fn put(name: &str, path: &Path, record: &Path, text: &str) -> Result<()> {
    let known = fs::read_to_string(record).unwrap_or_default();
    let current = fs::read_to_string(path).unwrap_or_default();
    let ours: HashSet<&str> = known.lines().collect();
    let theirs: Vec<&str> = current.lines().filter(|line| !ours.contains(line)).collect();
    let is_new = known.is_empty();
    if name == "resolv.conf" && !theirs.is_empty() && !is_new {
        return Ok(());
    }
    let mut whole = text.to_owned();
    if name == "hosts" && !is_new {
        whole.extend(theirs.iter().flat_map(|line| [line, "\n"]));
    }
    // Whoever is killed in between leaves no line of ours that the record does not have.
    overwrite(record, &format!("{known}{text}"))?;
    failpoint("files.recorded");
    overwrite(path, &whole)?;
    failpoint("files.written");
    // The record of a new file says so already.
    if is_new { Ok(()) } else { overwrite(record, text) }
}

/// In place, and never empty for those who read meanwhile.
fn overwrite(path: &Path, text: &str) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file: File = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        let length = file.metadata()?.len();
        file.write_all(text.as_bytes())?;
        if length > text.len() as u64 { file.set_len(text.len() as u64) } else { Ok(()) }
    };
    write().map_err(Error::file("write", path))
}
