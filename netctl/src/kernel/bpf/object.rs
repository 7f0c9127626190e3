//! The programs as they were built, and the data plane that they become once loaded and pinned.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use aya::{
    Btf, Ebpf, EbpfLoader,
    maps::{MapInfo, ProgramArray},
    programs::{Program, ProgramError, ProgramInfo, SchedClassifier},
};
use netctl_common::abi::maps;
use nix::sys::sysinfo::sysinfo;

use super::{attach, bpffs, maps::failed, pinned::Pinned, probe};
use crate::kernel::{KernelError, Result};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/netctl-ebpf"));

/// Tells one build of the programs from another.
pub const DIGEST: &str = env!("NETCTL_PROGRAMS_DIGEST");

/// The programs that are attached to interfaces.
const PROGRAMS: [&str; 4] =
    [attach::CONTAINER_EGRESS, attach::UPLINK_INGRESS, attach::TUNNEL_INGRESS, attach::ANCHOR_EGRESS];

/// Sizes that are chosen when the data plane is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Flow records of each family, a power of two.
    pub flows: u32,
}

impl Default for Limits {
    fn default() -> Self {
        // As the kernel chooses for its own table (net/netfilter/nf_conntrack_core.c, nf_conntrack_init_start).
        const MUCH: u64 = 4 << 30;
        let has_much = sysinfo().is_ok_and(|info| info.ram_total() >= MUCH);
        Self { flows: if has_much { maps::FLOWS_MAX } else { maps::FLOWS_MAX / 4 } }
    }
}

/// The pinned programs, maps and links of one engine.
#[derive(Clone, Debug)]
pub struct DataPlane {
    directory: PathBuf,
    open: Arc<Mutex<HashMap<&'static str, Arc<Pinned>>>>,
}

impl DataPlane {
    /// That of an engine, loaded or not.
    pub fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), open: Arc::default() }
    }

    /// Whether programs and maps are pinned.
    pub fn is_loaded(&self) -> bool {
        let pinned = names(&self.directory.join("maps"));
        let programs = names(&self.directory.join("programs"));
        PROGRAMS.iter().all(|name| programs.contains(*name))
            && maps::ALL.iter().all(|name| pinned.contains(*name))
            && self.is_host_hooked()
    }

    /// Whether programs are pinned, those of another build included, which may have been fewer.
    pub fn has_programs(&self) -> bool {
        let pinned = names(&self.directory.join("programs"));
        PROGRAMS.iter().any(|name| pinned.contains(*name))
    }

    /// Loads and pins programs and maps; maps that are pinned already are used again. The kernel's optional features, as
    /// bits of `settings_flags`.
    pub fn load(&self, limits: Limits) -> Result<u32> {
        self.close();
        probe::requirements()?;
        bpffs::prepare(&self.directory)?;
        self.check_layouts()?;
        let btf = Btf::from_sys_fs().ok();
        let pins = self.directory.join("maps");
        let mut loader = EbpfLoader::new();
        loader.btf(btf.as_ref()).default_map_pin_directory(&pins);
        for name in [maps::FLOWS4, maps::FLOWS6] {
            loader.map_max_entries(name, limits.flows);
        }
        for name in [maps::FLOW_KEYS4, maps::FLOW_KEYS6] {
            loader.map_max_entries(name, limits.flows.saturating_mul(2));
        }
        let mut object = loader.load(OBJECT).map_err(|error| KernelError::Load(Box::new(error)))?;
        // What a program may leave a packet to is there before the program.
        fill_stages(&mut object)?;
        for name in PROGRAMS {
            self.pin_program(name, object.program_mut(name))?;
        }
        self.hook_host(&mut object)?;
        probe::flags(&mut object)
    }

    fn pin_program(&self, name: &'static str, program: Option<&mut Program>) -> Result<()> {
        let program = load_program(name, program)?;
        // A new pin takes the old one's place at once: nobody finds none.
        let (path, fresh) = (self.program_path(name), self.program_path(&format!("{name}-new")));
        let _ = fs::remove_file(&fresh);
        program.pin(&fresh).map_err(|error| KernelError::file("pin at", &fresh)(io::Error::other(error)))?;
        fs::rename(&fresh, &path).map_err(KernelError::file("pin at", path))
    }

    /// aya takes a pinned map as it is; one of another layout would be read as garbage.
    fn check_layouts(&self) -> Result<()> {
        for (name, key_size, value_size) in layouts() {
            let path = self.map_path(name);
            if !path.exists() {
                continue;
            }
            let info = MapInfo::from_pin(&path).map_err(|source| failed("open", name)(io::Error::other(source)))?;
            if info.key_size() != key_size || info.value_size() != value_size {
                return Err(KernelError::MapLayout { map: name });
            }
        }
        Ok(())
    }

    /// How many flow records of each family there are: a power of two.
    pub fn flow_records(&self) -> Result<u32> {
        Ok(self.map(maps::FLOWS4)?.max_entries().max(1))
    }

    /// Removes programs, maps and links. Links that are no pins have been taken down before.
    pub fn unload(&self) -> Result<()> {
        self.close();
        bpffs::clear(&self.directory)
    }

    /// A pinned program, ready to be attached.
    pub(super) fn program(&self, name: &'static str) -> Result<SchedClassifier> {
        SchedClassifier::from_pin(self.program_path(name)).map_err(|source| KernelError::Program {
            action: "open",
            program: name,
            source: Box::new(source),
        })
    }

    /// A pinned map, opened once.
    pub(super) fn map(&self, name: &'static str) -> Result<Arc<Pinned>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(map) = open.get(name) {
            return Ok(Arc::clone(map));
        }
        let map = Arc::new(Pinned::at(&self.map_path(name)).map_err(failed("open", name))?);
        open.insert(name, Arc::clone(&map));
        Ok(map)
    }

    /// Lets go of open maps: others may be pinned in their places.
    fn close(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn map_path(&self, name: &str) -> PathBuf {
        self.directory.join("maps").join(name)
    }

    pub(super) fn program_path(&self, name: &str) -> PathBuf {
        self.directory.join("programs").join(name)
    }

    /// Where the link of an uplink is pinned.
    pub(super) fn link_path(&self, ifindex: u32) -> PathBuf {
        self.links_directory().join(format!("uplink-{ifindex}"))
    }

    /// Where links are pinned.
    pub(super) fn links_directory(&self) -> PathBuf {
        self.directory.join("links")
    }

    /// The interfaces for which a link is pinned.
    pub fn hooked_interfaces(&self) -> Vec<u32> {
        let pinned = names(&self.links_directory());
        pinned.iter().filter_map(|name| name.strip_prefix("uplink-")?.parse().ok()).collect()
    }
}

/// What is pinned in a directory, nothing where there is none.
pub(super) fn names(directory: &Path) -> HashSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}

/// Loads the programs that others leave packets to, and tells where they are. The pinned map keeps them.
fn fill_stages(object: &mut Ebpf) -> Result<()> {
    let failed = |source| failed("write", maps::STAGES)(io::Error::other(source));
    for (place, name) in maps::stage::ALL {
        let program = load_program(name, object.program_mut(name))?;
        let unloaded = |source| KernelError::Program { action: "load", program: name, source: Box::new(source) };
        let program = program.fd().map_err(unloaded)?.try_clone().map_err(KernelError::system("copy a descriptor"))?;
        let Some(stages) = object.map_mut(maps::STAGES) else {
            return Err(KernelError::MissingFeature { feature: maps::STAGES, cure: INCOMPLETE });
        };
        ProgramArray::try_from(stages).map_err(failed)?.set(place, &program, 0).map_err(failed)?;
    }
    Ok(())
}

const INCOMPLETE: &str = "this build of netctl is incomplete";

fn load_program<'a>(name: &'static str, program: Option<&'a mut Program>) -> Result<&'a mut SchedClassifier> {
    let failed = |action| move |source| KernelError::Program { action, program: name, source: Box::new(source) };
    let Some(program) = program else {
        return Err(KernelError::MissingFeature { feature: name, cure: INCOMPLETE });
    };
    let program: &mut SchedClassifier = program.try_into().map_err(failed("find"))?;
    program.load().map_err(failed("load"))?;
    tell_size(name, program.info());
    Ok(program)
}

/// Tells how many instructions the verifier went through, of a million that it would have borne: `--log-level debug`.
pub(super) fn tell_size(program: &str, info: std::result::Result<ProgramInfo, ProgramError>) {
    // The kernel tells since Linux 5.16.
    if let Some(verified) = info.ok().and_then(|info| info.verified_instruction_count()) {
        tracing::debug!(program, verified, "loaded");
    }
}

/// Name, key size and value size of each map whose layout could change.
fn layouts() -> [(&'static str, u32, u32); 25] {
    use netctl_common::abi::*;
    fn of<K, V>(name: &'static str) -> (&'static str, u32, u32) {
        (name, size_of::<K>() as u32, size_of::<V>() as u32)
    }
    [
        of::<u32, Settings>(maps::SETTINGS),
        of::<u32, Endpoint>(maps::ENDPOINTS),
        of::<AddressKey<Ip4>, u32>(maps::ADDRESSES4),
        of::<AddressKey<Ip6>, u32>(maps::ADDRESSES6),
        of::<PublicationKey<Ip4>, Publication>(maps::PUBLICATIONS4),
        of::<PublicationKey<Ip6>, Publication>(maps::PUBLICATIONS6),
        of::<FlowKey<Ip4>, FlowReference>(maps::FLOW_KEYS4),
        of::<FlowKey<Ip6>, FlowReference>(maps::FLOW_KEYS6),
        of::<u32, Flow<Ip4>>(maps::FLOWS4),
        of::<u32, Flow<Ip6>>(maps::FLOWS6),
        of::<FragmentKey<Ip4>, FragmentPorts>(maps::FRAGMENTS4),
        of::<FragmentKey<Ip6>, FragmentPorts>(maps::FRAGMENTS6),
        of::<u32, FragmentKey<Ip4>>(maps::FRAGMENT_RING4),
        of::<u32, FragmentKey<Ip6>>(maps::FRAGMENT_RING6),
        of::<u32, Members>(maps::MEMBERS),
        of::<DirectPort<Ip4>, u32>(maps::DIRECT_PORTS4),
        of::<DirectPort<Ip6>, u32>(maps::DIRECT_PORTS6),
        of::<u32, SourceAddress>(maps::NETWORK_SOURCES),
        of::<u32, u64>(maps::ERRORS_TOLD),
        of::<u32, u64>(maps::QUESTIONS),
        of::<CounterKey, Counter>(maps::VERDICTS),
        of::<u32, Traffic>(maps::TRAFFIC),
        of::<u32, SourceAddress>(maps::SOURCES),
        of::<HeldPort, u32>(maps::HELD_PORTS),
        of::<u64, HostPeers>(maps::HOST_PEERS),
    ]
}
