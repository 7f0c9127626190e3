//! What the programs cost a packet of an established flow: size, and nanoseconds a run by BPF_PROG_TEST_RUN. Not what the
//! kernel does before and after them. The first packet of a flow is measured in its own way.
//!
//! A repeat is fed what the run before made of the packet. So every case here leaves its packet as it was: containers have
//! the address that translation gives them. The exception is the way out, which takes a hop each time.
//!
//! `program_cost --json FILE` writes the same as a scenario of the benchmark. `program_cost [HAND_FUSED.o]`: the object of `docs/adr/0001` is measured beside the product on the same flows.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use aya::EbpfLoader;
use aya::programs::SchedClassifier;
use netctl::bench::pinning::take_cpu;
use netctl_common::abi::{Ip4, Ip6};
use netctl_common::testkit::{CLIENT, CLIENT6, Hook, MASQUERADE_BASE, PEER, PEER6, World, datagram, ip, mac};
use netctl_common::wire::transport::{ACK, SYN, TCP};
use netctl_tests::datapath::cost_report::{Cost, scenario};
use netctl_tests::datapath::{EmptyProgram, FirstPackets, KernelHost, Program, TC_ACT_REDIRECT, counters};

/// Runs a batch, and batches of which the quickest counts.
const RUNS: u32 = 1_000_000;
const BATCHES: u32 = 10;

/// As many hops as a packet has to spend.
const HOPS: u8 = 255;

/// One path through a program, of a flow that is established.
struct Case {
    name: &'static str,
    hook: Hook,
    world: World,
    /// Packets by which the flow begins.
    opening: Vec<(Hook, Vec<u8>)>,
    packet: Vec<u8>,
    /// How many runs the packet bears.
    runs: u32,
}

fn main() -> Result<()> {
    take_cpu(0)?;
    let host = KernelHost::new()?;
    if std::env::args().nth(1).as_deref() == Some("--json") {
        let file = std::env::args().nth(2).context("program_cost --json FILE")?;
        let all = [scenario(quickest_of_nothing()?, &costs(&host)?)];
        return std::fs::write(&file, serde_json::to_vec(&all)?).with_context(|| format!("writing {file}"));
    }
    let fused = std::env::args().nth(1).map(|object| load_fused(&host, Path::new(&object))).transpose()?;
    tell_sizes(&host, fused.as_ref())?;
    println!("\n{:<36} {:>8} {:>10}", "ns a packet", "netctl", "by hand");
    if let Some(fused) = &fused {
        let case = local(false);
        println!("{:<36} {:>8} {:>10}", "empty program", "", quickest(&host, &fused.empty, &case)?);
    }
    for v6 in [false, true] {
        for case in [local(v6), published_in(v6), published_out(v6), masqueraded_in(v6), masqueraded_out(v6)] {
            let product = measure(&host, host.program(case.hook), &case)?;
            let by_hand = match &fused {
                Some(fused) if !v6 => measure(&host, fused.program(case.hook), &case)?.to_string(),
                _ => String::new(),
            };
            println!("{:<36} {product:>8} {by_hand:>10}", format!("{}, IPv{}", case.name, if v6 { 6 } else { 4 }));
        }
    }
    println!("\n{:<36} {:>8} {:>10}", "ns, median of single runs", "first", "second");
    for v6 in [false, true] {
        for (name, FirstPackets { first, second }) in first_packets(&host, v6)? {
            println!("{:<36} {first:>8} {second:>10}", format!("{name}, IPv{}", if v6 { 6 } else { 4 }));
        }
    }
    Ok(())
}

/// What begins a flow at a published port, and one to outside.
fn first_packets(host: &KernelHost, v6: bool) -> Result<[(&'static str, FirstPackets); 2]> {
    let world = World::new();
    let flags = |is_first| if is_first { SYN } else { ACK };
    let (client, uplink) = if v6 { (CLIENT6, "fd00:ff::1") } else { (CLIENT, "192.0.2.1") };
    let published = FirstPackets::measure(host, Hook::Uplink, &world, |flow, is_first| {
        datagram(client, uplink).tcp(40_000 + flow, 8080, flags(is_first)).frame()
    })?;
    let (container, peer) = if v6 { ("fd00:30::2", PEER6) } else { ("172.30.0.2", PEER) };
    let masqueraded = FirstPackets::measure(host, Hook::Container(1), &world, |flow, is_first| {
        datagram(container, peer).tcp(40_000 + flow, 80, flags(is_first)).frame_from(1)
    })?;
    Ok([("published", published), ("masqueraded", masqueraded)])
}

/// Every case in both families, with the target of IPv4's.
fn costs(host: &KernelHost) -> Result<Vec<Cost>> {
    let mut costs = Vec::new();
    for (v6, family) in [(false, "IPv4"), (true, "IPv6")] {
        let cases =
            [local(v6), published_in(v6), published_out(v6), masqueraded_in(v6), masqueraded_out(v6)].into_iter();
        for (case, reach) in cases.zip([100, 140, 140, 150, 150]) {
            let nanoseconds = measure(host, host.program(case.hook), &case)?;
            costs.push(Cost { name: format!("{}, {family}", case.name), nanoseconds, reach: (!v6).then_some(reach) });
        }
        for (name, FirstPackets { first, second }) in first_packets(host, v6)? {
            for (which, nanoseconds) in [("first", first), ("second", second)] {
                costs.push(Cost { name: format!("{name}, {which} packet, {family}"), nanoseconds, reach: None });
            }
        }
    }
    Ok(costs)
}

fn quickest_of_nothing() -> Result<u64> {
    let (program, packet) = (EmptyProgram::load()?, local(false).packet);
    let batches = (0..BATCHES).map(|_| program.time(&packet, RUNS)).collect::<Result<Vec<_>>>()?;
    batches.into_iter().min().context("there are batches")
}

/// The quickest batch, after the first run has shown that the packet goes on as it is.
fn measure(host: &KernelHost, program: &Program, case: &Case) -> Result<u64> {
    host.become_world(&case.world)?;
    for (hook, frame) in &case.opening {
        ensure!(host.send(*hook, frame)?.value == TC_ACT_REDIRECT, "{}: the flow does not begin", case.name);
    }
    let outcome = host.run(program, case.hook, &case.packet)?;
    ensure!(outcome.value == TC_ACT_REDIRECT, "{}: returned {:#x}", case.name, outcome.value);
    if case.runs == RUNS {
        let again = host.run(program, case.hook, &outcome.frame)?;
        ensure!(again == outcome, "{}: a repeat changes the packet", case.name);
    }
    let before = counters::read(host.data_plane())?;
    let nanoseconds = quickest(host, program, case)?;
    let moved = counters::moved(&before, &counters::read(host.data_plane())?);
    // A packet that went another way would be cheaper.
    let is_traffic = |(name, (packets, _)): (&String, &(u64, u64))| {
        (name.starts_with("sent by") || name.starts_with("received by")) && *packets == u64::from(RUNS * BATCHES)
    };
    ensure!(!moved.is_empty() && moved.iter().all(is_traffic), "{}: counted {moved:?}", case.name);
    Ok(nanoseconds)
}

fn quickest(host: &KernelHost, program: &Program, case: &Case) -> Result<u64> {
    let batch = |_| host.time(program, case.hook, &case.packet, case.runs, RUNS / case.runs);
    let batches = (0..BATCHES).map(batch).collect::<Result<Vec<_>>>()?;
    batches.into_iter().min().context("there are batches")
}

fn local(v6: bool) -> Case {
    let (from, to) = if v6 { ("fd00:30::2", "fd00:30::3") } else { ("172.30.0.2", "172.30.0.3") };
    let packet = datagram(from, to).tcp(40_000, 80, ACK).between(mac(1), mac(2));
    Case { name: "local", hook: Hook::Container(1), world: World::new(), opening: Vec::new(), packet, runs: RUNS }
}

/// The client, and the container whose port 80 is published at its own address.
fn published(v6: bool) -> (World, &'static str, &'static str) {
    let mut world = World::new();
    let (client, server) = if v6 { (CLIENT6, "fd00:30::3") } else { (CLIENT, "172.30.0.3") };
    world.publish(server, 80, TCP, 2, 80);
    (world, client, server)
}

fn published_in(v6: bool) -> Case {
    let (world, client, server) = published(v6);
    Case {
        name: "published, towards the container",
        hook: Hook::Uplink,
        world,
        opening: vec![(Hook::Uplink, datagram(client, server).tcp(40_000, 80, SYN).frame())],
        packet: datagram(client, server).tcp(40_000, 80, ACK).frame(),
        runs: RUNS,
    }
}

fn published_out(v6: bool) -> Case {
    let (world, client, server) = published(v6);
    Case {
        name: "published, the answer",
        hook: Hook::Container(2),
        world,
        opening: vec![(Hook::Uplink, datagram(client, server).tcp(40_000, 80, SYN).frame())],
        packet: datagram(server, client).tcp(80, 40_000, ACK).frame_from(2),
        runs: RUNS,
    }
}

/// The container that has the host's address and the one masquerade port, and its peer.
fn masqueraded(v6: bool) -> (World, &'static str, &'static str) {
    let mut world = World::new();
    world.one_masquerade_port();
    let (container, peer) = if v6 { ("fd00:ff::1", PEER6) } else { ("192.0.2.1", PEER) };
    match ip(container) {
        std::net::IpAddr::V4(address) => world.endpoint(1).address4 = Ip4::from(address),
        std::net::IpAddr::V6(address) => world.endpoint(1).address6 = Ip6::from(address),
    }
    (world, container, peer)
}

fn masqueraded_in(v6: bool) -> Case {
    let (world, container, peer) = masqueraded(v6);
    Case {
        name: "masqueraded, the answer",
        hook: Hook::Uplink,
        world,
        opening: vec![(Hook::Container(1), datagram(container, peer).tcp(MASQUERADE_BASE, 80, SYN).frame_from(1))],
        packet: datagram(peer, container).tcp(80, MASQUERADE_BASE, ACK).frame(),
        runs: RUNS,
    }
}

fn masqueraded_out(v6: bool) -> Case {
    let (world, container, peer) = masqueraded(v6);
    Case {
        name: "masqueraded, the way out",
        hook: Hook::Container(1),
        world,
        opening: vec![(Hook::Container(1), datagram(container, peer).tcp(MASQUERADE_BASE, 80, SYN).frame_from(1))],
        packet: datagram(container, peer).tcp(MASQUERADE_BASE, 80, ACK).hops(HOPS).frame_from(1),
        runs: u32::from(HOPS) - 5,
    }
}

/// The programs of `docs/adr/0001/hand_fused.c`.
struct Fused {
    container: Program,
    uplink: Program,
    empty: Program,
}

impl Fused {
    fn program(&self, hook: Hook) -> &Program {
        match hook {
            Hook::Container(_) => &self.container,
            Hook::Uplink => &self.uplink,
        }
    }
}

/// Loads the object with the product's own maps, and pins its programs beside the product's, with which they go.
fn load_fused(host: &KernelHost, object: &Path) -> Result<Fused> {
    let maps = host.directory().join("maps");
    let programs = host.directory().join("programs");
    let mut loaded = EbpfLoader::new()
        .default_map_pin_directory(&maps)
        .load_file(object)
        .with_context(|| format!("loading {}", object.display()))?;
    let mut program = |name: &'static str| {
        let classifier: &mut SchedClassifier = loaded.program_mut(name).context("no such program")?.try_into()?;
        classifier.load()?;
        classifier.pin(programs.join(name))?;
        Program::open(&programs, name)
    };
    Ok(Fused { container: program("hand_container")?, uplink: program("hand_uplink")?, empty: program("empty")? })
}

fn tell_sizes(host: &KernelHost, fused: Option<&Fused>) -> Result<()> {
    println!("{:<20} {:>10} {:>12} {:>14}", "program", "verified", "instructions", "machine bytes");
    let product =
        [("container_egress", host.program(Hook::Container(1))), ("uplink_ingress", host.program(Hook::Uplink))];
    let by_hand = fused.map(|fused| [("hand_container", &fused.container), ("hand_uplink", &fused.uplink)]);
    for (name, program) in product.into_iter().chain(by_hand.into_iter().flatten()) {
        let size = program.size()?;
        println!("{name:<20} {:>10} {:>12} {:>14}", size.verified, size.translated, size.machine_code);
    }
    Ok(())
}
