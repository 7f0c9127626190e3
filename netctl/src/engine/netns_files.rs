//! Files under /etc/netns, which ip-netns(8) shows to commands in a named namespace. Only those that carry our mark are
//! ever changed or removed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{Engine, Error, Result};
use crate::{failpoint::failpoint, model::Container};

const ETC_NETNS: &str = "/etc/netns";
const FILES: [&str; 2] = ["resolv.conf", "hosts"];

impl Engine {
    /// Makes a file of an attached named namespace, if there is none, and gives its path with the line that marks it as
    /// this container's. Nothing where somebody else has one.
    pub fn claim_netns_file(&self, container: &Container, name: &str) -> Result<Option<(PathBuf, String)>> {
        let (Some(directory), true) = (directory(container), FILES.contains(&name)) else {
            return Ok(None);
        };
        let (path, mark) = (directory.join(name), mark(container));
        if !directory.exists() {
            // Recorded first, so that it goes again even if this command is killed now.
            let record = self.directory_record(container);
            fs::write(&record, "").map_err(Error::file("write", &record))?;
            failpoint("netns_files.recorded");
            fs::create_dir_all(&directory).map_err(Error::file("make", &directory))?;
        }
        if !path.exists() {
            // A file appears with its mark or not at all.
            let new = unmarked(&directory, name, container);
            fs::write(&new, &mark).map_err(Error::file("write", &new))?;
            failpoint("netns_files.new");
            match fs::hard_link(&new, &path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Error::file("write", path)(error));
                }
                _ => fs::remove_file(&new).map_err(Error::file("remove", new))?,
            }
            failpoint("netns_files.claimed");
        }
        Ok(has_mark(&path, &mark).then_some((path, mark)))
    }

    /// Takes away the files and the directory that were made for a container; what is gone already stays gone.
    pub(super) fn remove_netns_files(&self, container: &Container) {
        let Some(directory) = directory(container) else {
            return;
        };
        let mark = mark(container);
        for name in FILES {
            let path = directory.join(name);
            if has_mark(&path, &mark) {
                // Gone already is the aim, here and below.
                let _ = fs::remove_file(path);
            }
            let _ = fs::remove_file(unmarked(&directory, name, container));
        }
        if self.directory_record(container).exists() {
            // One that others have filled meanwhile stays.
            let _ = fs::remove_dir(directory);
        }
    }

    fn directory_record(&self, container: &Container) -> PathBuf {
        self.dirs.container(container.id.as_str()).join("netns-directory")
    }
}

fn directory(container: &Container) -> Option<PathBuf> {
    container.netns_name().map(|name| Path::new(ETC_NETNS).join(name))
}

fn unmarked(directory: &Path, name: &str, container: &Container) -> PathBuf {
    directory.join(format!(".{name}.{}", container.id.short()))
}

fn mark(container: &Container) -> String {
    format!("# Written by netctl for container {}\n", container.id)
}

fn has_mark(path: &Path, mark: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.starts_with(mark))
}
