//! Opening an engine: the lock, the state, and whose host it is.

use std::{cell::OnceCell, time::SystemTime};

use super::{Dirs, Error, Result};
use crate::{
    kernel::{Lock, Netlink, boot_id, bpf::DataPlane, netns_cookie, show_hidden_file_systems},
    model::Container,
    store::Store,
};

/// An engine that this process may change, until it is dropped.
pub struct Engine {
    pub(crate) dirs: Dirs,
    pub(crate) store: Store,
    pub(super) data_plane: DataPlane,
    netlink: OnceCell<Netlink>,
    _lock: Lock,
}

impl Engine {
    /// Opens the engine of these directories, waiting for its lock, and finishes or undoes what a dead command left.
    pub fn open(dirs: &Dirs) -> Result<Self> {
        let engine = Self::open_as_is(dirs)?;
        engine.recover()?;
        engine.tidy()?;
        Ok(engine)
    }

    /// Opens the engine for a command on one container: of what the dead have left, that one's alone is looked for.
    pub fn open_for(dirs: &Dirs, reference: &str) -> Result<Self> {
        let engine = Self::open_as_is(dirs)?;
        engine.recover()?;
        if let Some(container) = engine.store.find::<Container>(reference)? {
            engine.tidy_container(&container, &engine.store.endpoints_of(&container.id)?)?;
        }
        Ok(engine)
    }

    /// Makes a change. What belongs to dead containers is looked for only where the change is refused, which may be because
    /// of them: it takes a look at every container.
    pub fn change<T>(dirs: &Dirs, change: impl Fn(&Self) -> Result<T>) -> Result<T> {
        Self::attempt(dirs, change)
    }

    /// [`Engine::change`] for changes that may be refused for more reasons than the engine knows.
    pub fn attempt<T, E: From<Error>>(
        dirs: &Dirs,
        change: impl Fn(&Self) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let engine = Self::open_as_is(dirs)?;
        engine.recover()?;
        match change(&engine) {
            Err(error) if engine.tidy()? == 0 => Err(error),
            Err(_) => change(&engine),
            done => done,
        }
    }

    /// Finishes or undoes what dead commands left; containers are left as they are.
    pub fn settle(&self) -> Result<()> {
        self.recover()
    }

    /// Opens the engine without looking at what others left.
    pub fn open_as_is(dirs: &Dirs) -> Result<Self> {
        let lock = loop {
            dirs.prepare()?;
            if let Some(lock) = Lock::take(&dirs.lock())? {
                break lock;
            }
        };
        Self::locked(dirs, lock)
    }

    /// Opens the engine as [`Engine::open`] does, if there is one still.
    pub fn open_existing(dirs: &Dirs) -> Result<Option<Self>> {
        let Some(lock) = Lock::take_existing(&dirs.lock())? else {
            return Ok(None);
        };
        let engine = Self::locked(dirs, lock)?;
        engine.recover()?;
        engine.tidy()?;
        Ok(Some(engine))
    }

    fn locked(dirs: &Dirs, lock: Lock) -> Result<Self> {
        show_hidden_file_systems()?;
        let store = Store::open(&dirs.state)?;
        let data_plane = DataPlane::at(&dirs.bpffs);
        let engine = Self { dirs: dirs.clone(), store, data_plane, netlink: OnceCell::new(), _lock: lock };
        engine.own_host()?;
        Ok(engine)
    }

    /// Records whose host this is, and refuses another one's.
    fn own_host(&self) -> Result<()> {
        let (boot, cookie) = (boot_id(), netns_cookie()?.to_string());
        let known_boot = self.store.meta("boot")?;
        let known_cookie = self.store.meta("cookie")?;
        if known_boot.as_deref() == Some(boot.as_str()) {
            if known_cookie.as_deref() != Some(cookie.as_str()) {
                return Err(Error::OtherNamespace { path: self.dirs.state.clone() });
            }
            return Ok(());
        }
        if known_boot.is_some() {
            self.forget_last_boot()?;
        }
        self.store.durably(|| {
            self.store.set_meta("boot", &boot)?;
            self.store.set_meta("cookie", &cookie)?;
            if self.store.meta("table")?.is_none() {
                // Tables of our own: far from those that people number by hand, and one engine's apart from another's.
                self.store.set_meta("table", &(0x6e63_0000 + (fastrand::u32(0..0x8000) << 1)).to_string())?;
            }
            Ok(())
        })
    }

    /// The netlink socket of the host's namespace.
    pub(crate) fn netlink(&self) -> Result<&Netlink> {
        if let Some(netlink) = self.netlink.get() {
            return Ok(netlink);
        }
        let opened = Netlink::open()?;
        Ok(self.netlink.get_or_init(|| opened))
    }

    /// Our routing table; the next one forbids.
    pub(super) fn table(&self) -> Result<u32> {
        Ok(self.store.meta("table")?.and_then(|text| text.parse().ok()).unwrap_or(0x6e63_0000))
    }

    /// A number that has not been used before, for `key`.
    pub(super) fn next_number(&self, key: &str) -> Result<u32> {
        let last: u32 = self.store.meta(key)?.and_then(|text| text.parse().ok()).unwrap_or(0);
        let next = last.wrapping_add(1).max(1);
        self.store.set_meta(key, &next.to_string())?;
        Ok(next)
    }
}

/// Now, as RFC 3339 has it.
pub(super) fn timestamp() -> String {
    humantime::format_rfc3339_nanos(SystemTime::now()).to_string()
}
