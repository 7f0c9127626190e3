//! A namespace that is the host of `netctl_common::testkit`'s worlds, with the data plane loaded for it: real interfaces in
//! place of the worlds' numbers, real routes in place of their lists.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use netctl::kernel::bpf::{DataPlane, Limits};
use netctl_common::testkit::{Hook, NETWORK, OTHER_NETWORK, UPLINK_IFINDEX, UPLINK_MAC, World, anchor, ifindex};
use nix::net::if_::if_nametoindex;

use super::program::{CONTAINER_EGRESS, Outcome, Program, UPLINK_INGRESS};
use super::tables::Tables;
use crate::harness::Namespace;

/// The slots that worlds use.
const SLOTS: [u32; 4] = [1, 2, 3, 4];

/// The routes of every world. The containers' subnets are unreachable for what is forwarded, as netctl's own rule makes
/// them.
const ROUTES: &str = "
    ip addr add 192.0.2.1/24 dev uplink
    ip addr add fd00:ff::1/64 dev uplink nodad
    ip neigh add 192.0.2.254 lladdr 02:ee:00:00:00:fe dev uplink
    ip neigh add fd00:ff::fe lladdr 02:ee:00:00:00:fe dev uplink
    ip route add default via 192.0.2.254
    ip route add default via fd00:ff::fe
    ip route add unreachable 172.30.0.0/16
    ip route add unreachable 172.31.0.0/16
    ip route add unreachable fd00:30::/64
    ip route add unreachable fd00:31::/64";

/// The host of a world. Its pins and namespaces go with it.
#[derive(Debug)]
pub struct KernelHost {
    data_plane: DataPlane,
    directory: PathBuf,
    interfaces: HashMap<u32, u32>,
    settings_flags: u32,
    container_egress: Program,
    uplink_ingress: Program,
    // Last, so that the pins go first.
    namespace: Namespace,
    _outside: Namespace,
}

impl KernelHost {
    /// Makes the host and loads the data plane, with as many flow records as the worlds' settings say.
    ///
    /// # Errors
    /// Without the privilege, or if the kernel refuses a program.
    pub fn new() -> Result<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let namespace = Namespace::new("host")?;
        let outside = Namespace::new("outside")?;
        let interfaces = connect(&namespace, &outside)?;
        let counter = COUNTER.fetch_add(1, Ordering::Relaxed);
        let directory = PathBuf::from(format!("/sys/fs/bpf/nt-{}-{counter}", process::id()));
        let data_plane = DataPlane::at(&directory);
        let limits = Limits { flows: World::new().settings.flow_mask + 1 };
        let loaded = namespace.inside(|| {
            let settings_flags = data_plane.load(limits)?;
            let programs = directory.join("programs");
            Ok((settings_flags, Program::open(&programs, CONTAINER_EGRESS)?, Program::open(&programs, UPLINK_INGRESS)?))
        })?;
        if loaded.is_err() {
            // What is pinned so far must not outlive the test.
            data_plane.unload()?;
        }
        let (settings_flags, container_egress, uplink_ingress) = loaded.map_err(|error: anyhow::Error| error)?;
        Ok(Self {
            data_plane,
            directory,
            interfaces,
            settings_flags,
            container_egress,
            uplink_ingress,
            namespace,
            _outside: outside,
        })
    }

    /// The pinned data plane.
    #[must_use]
    pub fn data_plane(&self) -> &DataPlane {
        &self.data_plane
    }

    /// The program at a hook.
    #[must_use]
    pub fn program(&self, hook: Hook) -> &Program {
        match hook {
            Hook::Container(_) => &self.container_egress,
            Hook::Uplink => &self.uplink_ingress,
        }
    }

    /// Makes the maps hold this world and nothing else, and sends the packets that went before.
    ///
    /// # Errors
    /// If the world has a route that this host has not, or the kernel refuses an entry.
    pub fn become_world(&self, world: &World) -> Result<()> {
        ensure!(
            world.routes == World::new().routes,
            "the host's routes are those of every world, not of a special one"
        );
        let tables = Tables::of(&self.directory);
        tables.clear()?;
        tables.write(&self.placed(world)?)?;
        for (hook, frame) in &world.earlier {
            self.send(*hook, frame)?;
        }
        Ok(())
    }

    /// Runs the hook's program on a frame.
    ///
    /// # Errors
    /// If the kernel refuses the frame.
    pub fn send(&self, hook: Hook, frame: &[u8]) -> Result<Outcome> {
        self.run(self.program(hook), hook, frame)
    }

    /// Runs a program on a frame as if it sat at that hook.
    ///
    /// # Errors
    /// If the kernel refuses the frame.
    pub fn run(&self, program: &Program, hook: Hook, frame: &[u8]) -> Result<Outcome> {
        let ifindex = self.ingress(hook)?;
        self.namespace.inside(|| program.run(ifindex, frame))?
    }

    /// Runs a program `repeat` times on the same packet, each time on what it has made of it, and all that `rounds` times
    /// from the beginning; nanoseconds a run.
    ///
    /// # Errors
    /// If the kernel refuses the frame.
    pub fn time(&self, program: &Program, hook: Hook, frame: &[u8], repeat: u32, rounds: u32) -> Result<u64> {
        let ifindex = self.ingress(hook)?;
        let total = self
            .namespace
            .inside(|| (0..rounds).map(|_| program.time(ifindex, frame, repeat)).sum::<Result<u64>>())??;
        Ok(total / u64::from(rounds))
    }

    /// Where programs and maps are pinned.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The index of the interface that packets at a hook come in by.
    fn ingress(&self, hook: Hook) -> Result<u32> {
        match hook {
            Hook::Container(slot) => self.real(ifindex(slot)),
            Hook::Uplink => self.real(UPLINK_IFINDEX),
        }
    }

    /// The world with real interfaces' indices, and with the flags that loading has found.
    fn placed(&self, world: &World) -> Result<World> {
        let mut world = world.clone();
        world.settings.flags |= self.settings_flags;
        for index in
            world.endpoints.iter_mut().flat_map(|(_, endpoint)| [&mut endpoint.ifindex, &mut endpoint.anchor]).chain(
                world.interfaces.iter_mut().map(|(index, _)| index).chain([&mut world.settings.resolver_ifindex]),
            )
        {
            *index = self.real(*index)?;
        }
        Ok(world)
    }

    /// The real interface's index; none stays none.
    fn real(&self, index: u32) -> Result<u32> {
        if index == 0 {
            return Ok(0);
        }
        self.interfaces.get(&index).copied().with_context(|| format!("no interface stands for {index}"))
    }
}

impl Drop for KernelHost {
    fn drop(&mut self) {
        if let Err(error) = self.data_plane.unload() {
            eprintln!("{} is left behind: {error}", self.directory.display());
        }
    }
}

/// Builds the interfaces and routes; the index that worlds use to the real one.
fn connect(host: &Namespace, outside: &Namespace) -> Result<HashMap<u32, u32>> {
    let mut names = vec![(UPLINK_IFINDEX, "uplink".to_owned())];
    host.connect_veth("uplink", outside, "router")?;
    // Frames for other MACs are not the host's.
    let mac = UPLINK_MAC.bytes().map(|byte| format!("{byte:02x}")).join(":");
    host.sh(&format!("ip link set uplink address {mac}"))?;
    for slot in SLOTS {
        let name = format!("slot{slot}");
        host.connect_veth(&name, outside, &format!("container{slot}"))?;
        names.push((ifindex(slot), name));
    }
    for (network, four, six) in [(NETWORK, "172.30.0.1", "fd00:30::1"), (OTHER_NETWORK, "172.31.0.1", "fd00:31::1")] {
        let name = format!("anchor{network}");
        host.sh(&format!(
            "ip link add {name} type bridge
             echo 1 > /proc/sys/net/ipv4/conf/{name}/forwarding
             echo 1 > /proc/sys/net/ipv6/conf/{name}/forwarding
             ip link set {name} up
             ip addr add {four}/32 dev {name}
             ip addr add {six}/128 dev {name} nodad"
        ))?;
        names.push((anchor(network), name));
    }
    host.sh(ROUTES)?;
    host.inside(|| {
        let real = |(index, name): (u32, String)| {
            let real = if_nametoindex(name.as_str()).with_context(|| format!("looking for {name}"))?;
            Ok((index, real))
        };
        names.into_iter().map(real).collect()
    })?
}
