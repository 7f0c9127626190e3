//! Where `host-local` keeps which addresses are taken: a directory a network, a file an address, in the stock plugin's own
//! format, so that both can share it.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    net::IpAddr,
    path::{Path, PathBuf},
};

use crate::engines::cni::{Error, Result};

/// The stock plugin's place.
const DIRECTORY: &str = "/var/lib/cni/networks";
/// What ends the identifier in a file.
const LINE_END: &str = "\r\n";
/// Begins the names of files that say which address was given out last.
const LAST: &str = "last_reserved_ip.";

/// One network's reservations, which nobody else changes as long as this lives.
pub struct Reservations {
    directory: PathBuf,
    _lock: File,
}

/// Whose an address is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// The container.
    pub container: String,
    /// The interface.
    pub interface: String,
}

impl Reservations {
    /// Those of a network, if there are any: who only gives back makes no directory.
    pub fn known(directory: Option<&str>, network: &str) -> Result<Option<Self>> {
        if place(directory, network).is_dir() { Self::open(directory, network).map(Some) } else { Ok(None) }
    }

    /// Opens those of a network, waiting for whoever has them.
    pub fn open(directory: Option<&str>, network: &str) -> Result<Self> {
        let directory = place(directory, network);
        fs::create_dir_all(&directory).map_err(failed("make", &directory))?;
        let path = directory.join("lock");
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed("open", &path))?;
        lock.lock().map_err(failed("lock", &path))?;
        Ok(Self { directory, _lock: lock })
    }

    /// Takes an address; whether it was free.
    pub fn reserve(&self, address: IpAddr, set: usize, holder: &Holder) -> Result<bool> {
        let path = self.directory.join(address.to_string());
        let mut file = match OpenOptions::new().create_new(true).write(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
            other => other.map_err(failed("make", &path))?,
        };
        let text = format!("{}{LINE_END}{}", holder.container, holder.interface);
        if let Err(error) = file.write_all(text.as_bytes()) {
            // An address that nobody has must not stay taken.
            let _ = fs::remove_file(&path);
            return Err(failed("write", &path)(error));
        }
        let last = self.directory.join(format!("{LAST}{set}"));
        fs::write(&last, address.to_string()).map_err(failed("write", &last))?;
        Ok(true)
    }

    /// The address that a set gave out last.
    pub fn last(&self, set: usize) -> Option<IpAddr> {
        fs::read_to_string(self.directory.join(format!("{LAST}{set}"))).ok()?.trim().parse().ok()
    }

    /// The addresses of a container's interface.
    pub fn of(&self, holder: &Holder) -> Result<Vec<IpAddr>> {
        let all = self.all()?;
        let exact: Vec<_> = all.iter().filter(|(_, other)| other == holder).map(|(address, _)| *address).collect();
        if !exact.is_empty() {
            return Ok(exact);
        }
        // Old versions of the plugin recorded no interface.
        let is_old = |other: &Holder| other.interface.is_empty() && other.container == holder.container;
        Ok(all.into_iter().filter(|(_, other)| is_old(other)).map(|(address, _)| address).collect())
    }

    /// Gives an address back; one that is free already stays free.
    pub fn release(&self, address: IpAddr) -> Result<()> {
        let path = self.directory.join(address.to_string());
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", &path)(error)),
            _ => Ok(()),
        }
    }

    /// Every address that is taken, and by whom.
    pub fn all(&self) -> Result<Vec<(IpAddr, Holder)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed("list", &self.directory))? {
            let path = entry.map_err(failed("list", &self.directory))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Ok(address) = name.parse() else { continue };
            let text = fs::read_to_string(&path).unwrap_or_default();
            let (container, interface) = text.trim().split_once(LINE_END).unwrap_or((text.trim(), ""));
            let holder = Holder { container: container.trim().to_owned(), interface: interface.trim().to_owned() };
            found.push((address, holder));
        }
        Ok(found)
    }
}

fn place(directory: Option<&str>, network: &str) -> PathBuf {
    Path::new(directory.filter(|text| !text.is_empty()).unwrap_or(DIRECTORY)).join(network)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::File { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_held_in_the_stock_plugins_format_until_it_is_given_back() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().to_str();
        assert!(Reservations::known(base, "net").unwrap().is_none() && !directory.path().join("net").exists());
        let address: IpAddr = "10.1.0.2".parse().unwrap();
        let holder = Holder { container: "a".to_owned(), interface: "eth0".to_owned() };
        {
            let held = Reservations::open(base, "net").unwrap();
            assert!(held.reserve(address, 0, &holder).unwrap());
            assert!(!held.reserve(address, 0, &holder).unwrap());
            assert_eq!((held.last(0), held.last(1)), (Some(address), None));
        }
        let text = fs::read_to_string(directory.path().join("net/10.1.0.2")).unwrap();
        assert_eq!(text, "a\r\neth0");
        let held = Reservations::open(base, "net").unwrap();
        assert_eq!(held.of(&holder).unwrap(), [address]);
        let other = Holder { interface: "eth1".to_owned(), ..holder.clone() };
        assert!(held.of(&other).unwrap().is_empty());
        held.release(address).unwrap();
        held.release(address).unwrap();
        assert!(held.all().unwrap().is_empty());
        fs::write(directory.path().join("net/10.1.0.9"), "a").unwrap();
        assert_eq!(held.of(&other).unwrap(), ["10.1.0.9".parse::<IpAddr>().unwrap()], "an old version's");
    }
}
