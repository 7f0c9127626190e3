//! The bpf system call (bpf(2)) for what is pinned: opened by its path, a map's entries read and written, many in one call.
//! Not loading, and not what entries mean.

use std::{
    ffi::CString,
    io,
    mem::MaybeUninit,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    sync::OnceLock,
};

use aya::Pod;
use nix::libc;

/// Commands of the call (linux/bpf.h, bpf_cmd).
mod command {
    pub const LOOKUP: i32 = 1;
    pub const UPDATE: i32 = 2;
    pub const DELETE: i32 = 3;
    pub const OBJECT_GET: i32 = 7;
    pub const INFO: i32 = 15;
    pub const LOOKUP_BATCH: i32 = 24;
    pub const UPDATE_BATCH: i32 = 26;
    pub const DELETE_BATCH: i32 = 27;
}

/// How many entries are read in the first call; each later one reads twice as many, up to the most.
const FIRST: u32 = 64;
const MOST: u32 = 16_384;

/// An open map.
#[derive(Debug)]
pub struct Pinned {
    file: OwnedFd,
    info: Info,
}

/// The beginning of bpf_map_info.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
struct Info {
    kind: u32,
    id: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
}

#[repr(C)]
struct ByPath {
    path: u64,
    file: u32,
    flags: u32,
}

#[repr(C)]
struct ByFile {
    file: u32,
    length: u32,
    info: u64,
}

#[repr(C)]
struct Entry {
    file: u32,
    reserved: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
struct Batch {
    from: u64,
    to: u64,
    keys: u64,
    values: u64,
    count: u32,
    file: u32,
    entry_flags: u64,
    flags: u64,
}

/// Opens a pinned object of any kind.
pub fn open(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut request = ByPath { path: path.as_ptr() as u64, file: 0, flags: 0 };
    // SAFETY: the path lives for the call, which reads it.
    let file = unsafe { call(command::OBJECT_GET, &mut request) }?;
    // SAFETY: the call has made the descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(file) })
}

/// How many CPUs the machine may have: a value for each is in every entry of some maps.
pub fn cpus() -> usize {
    static CPUS: OnceLock<usize> = OnceLock::new();
    *CPUS.get_or_init(|| aya::util::nr_cpus().unwrap_or(1))
}

impl Pinned {
    /// Opens a pinned map.
    pub fn at(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        let mut info = Info::default();
        let length = size_of::<Info>() as u32;
        let mut request = ByFile { file: number(&file), length, info: (&raw mut info) as u64 };
        // SAFETY: the kernel writes as many bytes as are told, which the structure has.
        unsafe { call(command::INFO, &mut request) }?;
        Ok(Self { file, info })
    }

    /// How many entries it holds at most.
    pub fn max_entries(&self) -> u32 {
        self.info.max_entries
    }

    /// The value of a key, if there is one.
    pub fn get<K: Pod, V: Pod>(&self, key: &K) -> io::Result<Option<V>> {
        self.check::<K, V>(1)?;
        let mut value = MaybeUninit::<V>::uninit();
        // SAFETY: the sizes are the map's.
        match unsafe { self.entry(command::LOOKUP, key, value.as_mut_ptr()) } {
            // SAFETY: the kernel has written all of it, and any bytes are a value.
            Ok(()) => Ok(Some(unsafe { value.assume_init() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The values of a key for each CPU, if there are some; their size is a multiple of eight.
    pub fn get_each<K: Pod, V: Pod>(&self, key: &K) -> io::Result<Option<Vec<V>>> {
        self.check_each::<K, V>()?;
        let mut values: Vec<V> = Vec::with_capacity(cpus());
        // SAFETY: the sizes are the map's, and there is a place for each CPU.
        match unsafe { self.entry(command::LOOKUP, key, values.as_mut_ptr()) } {
            Ok(()) => {
                // SAFETY: the kernel has written one for each CPU, and any bytes are a value.
                unsafe { values.set_len(cpus()) };
                Ok(Some(values))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives a key a value, whether it has one or not.
    pub fn put<K: Pod, V: Pod>(&self, key: &K, value: V) -> io::Result<()> {
        self.check::<K, V>(1)?;
        let mut value = value;
        // SAFETY: the sizes are the map's.
        unsafe { self.entry(command::UPDATE, key, &raw mut value) }
    }

    /// Gives a key a value for each CPU.
    pub fn put_each<K: Pod, V: Pod>(&self, key: &K, value: V) -> io::Result<()> {
        let mut values = vec![value; cpus()];
        self.check_each::<K, V>()?;
        // SAFETY: the sizes are the map's, and there is a value for each CPU.
        unsafe { self.entry(command::UPDATE, key, values.as_mut_ptr()) }
    }

    /// Removes a key; whether it was there.
    pub fn remove<K: Pod>(&self, key: &K) -> io::Result<bool> {
        self.check_key::<K>()?;
        // SAFETY: the key's size is the map's, and no value is asked for.
        match unsafe { self.entry(command::DELETE, key, std::ptr::null_mut::<u8>()) } {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives many keys their values (BPF_MAP_UPDATE_BATCH). Where it fails a part of them may have theirs.
    pub fn put_all<K: Pod, V: Pod>(&self, keys: &[K], values: &[V]) -> io::Result<()> {
        self.check::<K, V>(1)?;
        if keys.len() != values.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if keys.is_empty() {
            return Ok(());
        }
        let mut request = self.batch(keys.as_ptr() as u64, values.as_ptr() as u64, keys.len() as u32);
        // SAFETY: both hold as many as are told, of the map's sizes.
        unsafe { call(command::UPDATE_BATCH, &mut request) }.map(drop)
    }

    /// Removes many keys; those that are gone already are fine.
    pub fn remove_all<K: Pod>(&self, keys: &[K]) -> io::Result<()> {
        self.check_key::<K>()?;
        let mut rest = keys;
        while !rest.is_empty() {
            let mut request = self.batch(rest.as_ptr() as u64, 0, rest.len() as u32);
            // SAFETY: there are as many keys as are told, of the map's size.
            match unsafe { call(command::DELETE_BATCH, &mut request) } {
                Ok(_) => return Ok(()),
                // It stops at a key that is not there, and tells how many it has removed before.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    rest = rest.get(request.count as usize + 1..).unwrap_or_default();
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// All keys and values (BPF_MAP_LOOKUP_BATCH). What comes and goes meanwhile may be among them or not.
    pub fn entries<K: Pod, V: Pod>(&self) -> io::Result<Vec<(K, V)>> {
        self.check::<K, V>(1)?;
        let (keys, values) = self.read_all::<K, V>(1)?;
        Ok(keys.into_iter().zip(values).collect())
    }

    /// All keys with their values for each CPU.
    pub fn entries_each<K: Pod, V: Pod>(&self) -> io::Result<Vec<(K, Vec<V>)>> {
        self.check_each::<K, V>()?;
        let (keys, values) = self.read_all::<K, V>(cpus())?;
        Ok(keys.into_iter().zip(values.chunks(cpus()).map(<[V]>::to_vec)).collect())
    }

    /// Keys and values, so many of these a key; the sizes have been checked.
    fn read_all<K: Pod, V: Pod>(&self, each: usize) -> io::Result<(Vec<K>, Vec<V>)> {
        let mut room = FIRST;
        let (mut all_keys, mut all_values) = (Vec::new(), Vec::new());
        // As wide as a key, and no less than the number of a bucket.
        let mut place = vec![0_u8; size_of::<K>().max(8)];
        let mut is_first = true;
        loop {
            let mut keys: Vec<K> = Vec::with_capacity(room as usize);
            let mut values: Vec<V> = Vec::with_capacity(room as usize * each);
            let mut request = self.batch(keys.as_mut_ptr() as u64, values.as_mut_ptr() as u64, room);
            request.from = if is_first { 0 } else { place.as_ptr() as u64 };
            request.to = place.as_mut_ptr() as u64;
            // SAFETY: both have room for as many as are told, of the map's sizes, and the place for where to go on.
            let answer = unsafe { call(command::LOOKUP_BATCH, &mut request) };
            match &answer {
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {
                    // What shares a bucket is read together, and needs more room.
                    room = room.saturating_mul(2);
                    continue;
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(io::Error::from_raw_os_error(error.raw_os_error().unwrap_or(libc::EIO)));
                }
                _ => {}
            }
            let count = request.count.min(room) as usize;
            // SAFETY: the kernel has written as many, and any bytes are keys and values.
            unsafe {
                keys.set_len(count);
                values.set_len(count * each);
            }
            all_keys.append(&mut keys);
            all_values.append(&mut values);
            if answer.is_err() {
                return Ok((all_keys, all_values));
            }
            is_first = false;
            room = room.saturating_mul(2).min(MOST);
        }
    }

    fn batch(&self, keys: u64, values: u64, count: u32) -> Batch {
        Batch { from: 0, to: 0, keys, values, count, file: number(&self.file), entry_flags: 0, flags: 0 }
    }

    /// # Safety
    /// Key and value have the map's sizes, or the command touches no value.
    unsafe fn entry<K, V>(&self, what: i32, key: &K, value: *mut V) -> io::Result<()> {
        let key = std::ptr::from_ref(key) as u64;
        let mut request = Entry { file: number(&self.file), reserved: 0, key, value: value as u64, flags: 0 };
        // SAFETY: as the caller says.
        unsafe { call(what, &mut request) }.map(drop)
    }

    /// Another size than the map's would have the kernel write past a value's end.
    fn check<K, V>(&self, each: usize) -> io::Result<()> {
        self.check_key::<K>()?;
        let is_right = size_of::<V>() * each == self.info.value_size as usize;
        if is_right { Ok(()) } else { Err(other_layout()) }
    }

    fn check_each<K, V>(&self) -> io::Result<()> {
        // The kernel lays values out in multiples of eight.
        if size_of::<V>().is_multiple_of(8) { self.check::<K, V>(1) } else { Err(other_layout()) }
    }

    fn check_key<K>(&self) -> io::Result<()> {
        if size_of::<K>() == self.info.key_size as usize { Ok(()) } else { Err(other_layout()) }
    }
}

fn other_layout() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it has another layout")
}

fn number(file: &OwnedFd) -> u32 {
    file.as_raw_fd().cast_unsigned()
}

/// # Safety
/// All addresses in the request are valid for what the command does with them.
unsafe fn call<T>(what: i32, request: &mut T) -> io::Result<i32> {
    // SAFETY: the request has the size that is told; the kernel takes what is missing of its own as zero.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, what, std::ptr::from_mut(request), size_of::<T>()) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer as i32) }
}
