//! Row 16: what a translated flow, ten thousand published ports and the resident process take of memory.

use std::{
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    time::Duration,
};

use super::{Ground, Listed, samples};
use crate::bench::{
    Error, Result,
    contestants::{DockerOptions, DockerRules, Place, Site, Way, many_outside, topology::host_and_client},
    engines::{DockerProxy, Dockerd, Own, memory},
    generators::Crowd,
    outcome::{Measure, Role, Scenario, Unit},
};

/// Flows, and records for them: a power of two that they nearly fill.
const FLOWS: usize = 60_000;
const RECORDS: &str = "65536";
/// Docker's proxies that are started; and the ports that they stand for.
const PROXIES: u16 = 50;
const PORTS: u16 = 10_000;
const FIRST_PORT: u16 = 20_000;

/// netctl with containers, and a client outside.
struct Engine {
    own: Own,
    client: Place,
    container: Place,
    /// One container alone may not fill the table.
    other: Place,
}

impl Engine {
    fn new() -> Result<Self> {
        let (host, client) = host_and_client()?;
        let (container, other) = (Place::new("container")?, Place::new("container")?);
        let own = Own::new(&host)?;
        own.ok(&["dataplane", "load", "--flows", RECORDS])?;
        own.ok(&["network", "create", "--subnet", "172.30.0.0/16", "bench"])?;
        Ok(Self { own, client, container, other })
    }

    fn attach(&self, further: &[&str]) -> Result<()> {
        for (name, container, further) in [("box", &self.container, further), ("other", &self.other, &[])] {
            let netns = container.path();
            let netns = netns.to_string_lossy();
            let fixed = ["attach", "--name", name, "--netns", &netns, "--network", "bench"];
            self.own.ok(&[fixed.as_slice(), further].concat())?;
        }
        Ok(())
    }

    fn maps(&self, names: &[&str]) -> u64 {
        memory::of_maps(&self.own.dirs().bpffs.join("maps"), names)
    }
}

/// All three.
pub fn measure(ground: &mut Ground<'_>, listed: &Listed) -> Result<Vec<Scenario>> {
    let ports = Listed { name: "memory-ports", what: "Ten thousand published ports of one container", ..*listed };
    let serve = Listed { name: "memory-serve", what: "The resident process, after ten thousand questions", ..*listed };
    Ok(vec![flow(ground, listed)?, published(ground, &ports)?, resident(ground, &serve)?])
}

fn flow(ground: &mut Ground<'_>, listed: &Listed) -> Result<Scenario> {
    const PEER: &str = "nf_conntrack";
    let mut scenario = samples::scenario(listed, Unit::Bytes, PEER);
    ground.say("filling conntrack's table");
    match conntrack() {
        Ok(bytes) => scenario.series.push(samples::series(PEER, Role::Peer, None, vec![bytes])),
        Err(error) => scenario.skipped.push(samples::skipped(PEER, &error)),
    }
    ground.say("filling netctl's table");
    let engine = Engine::new()?;
    engine.attach(&[])?;
    let made = crowd(&[engine.container.clone(), engine.other.clone()], &engine.client)?;
    let bytes = float(engine.maps(&["FLOWS4", "FLOW_KEYS4"])) / made;
    scenario.series.push(samples::series("netctl", Role::Ours, None, vec![bytes]));
    samples::against_peer(&mut scenario);
    samples::aim_once(&mut scenario, Measure::TimesBetter { than: PEER.to_owned(), x: None }, 1.0 / 0.7);
    samples::aim_once(&mut scenario, Measure::AtMost, 256.0);
    scenario.notes.push(format!(
        "Masqueraded UDP flows, {made} of them. netctl's: all memory of the maps FLOWS4 and FLOW_KEYS4 made for {RECORDS} flows, by \
         fdinfo's memlock, over the flows. conntrack's: growth of the slabs nf_conntrack and kmalloc-32 to -512, by slabinfo, over the \
         flows; its hash table is not counted."
    ));
    Ok(scenario)
}

/// Bytes an entry.
fn conntrack() -> Result<f64> {
    let site = DockerRules::new(&DockerOptions::default())?;
    let route = site.route(Way::Outbound).ok_or_else(|| nothing("way out"))?;
    let before = memory::of_conntrack();
    let (client, server) = ([route.client], route.server);
    let crowd = make(&client, &server)?;
    let grown = memory::of_conntrack().saturating_sub(before);
    Ok(float(grown) / float(crowd.size().0 as u64))
}

fn crowd(containers: &[Place], outside: &Place) -> Result<f64> {
    Ok(float(make(containers, outside)?.size().0 as u64))
}

fn make(containers: &[Place], outside: &Place) -> Result<Crowd> {
    for address in many_outside() {
        outside.add_address("eth0", address, 24)?;
    }
    Crowd::make(containers, outside, FLOWS)
}

fn published(ground: &mut Ground<'_>, listed: &Listed) -> Result<Scenario> {
    const PEER: &str = "docker-proxy";
    let mut scenario = samples::scenario(listed, Unit::Bytes, PEER);
    ground.say("starting Docker's proxies");
    match proxies(ground) {
        Ok(bytes) => scenario.series.push(samples::series(PEER, Role::Peer, None, vec![bytes])),
        Err(error) => scenario.skipped.push(samples::skipped(PEER, &error)),
    }
    ground.say("publishing ten thousand ports");
    let engine = Engine::new()?;
    let before = engine.maps(&[]);
    let last = FIRST_PORT + PORTS - 1;
    engine.attach(&["--publish", &format!("{FIRST_PORT}-{last}:{FIRST_PORT}-{last}")])?;
    let bytes = float(engine.maps(&[]).saturating_sub(before));
    scenario.series.push(samples::series("netctl", Role::Ours, None, vec![bytes]));
    samples::against_peer(&mut scenario);
    samples::aim_once(&mut scenario, Measure::TimesBetter { than: PEER.to_owned(), x: None }, 1000.0);
    samples::aim_once(&mut scenario, Measure::AtMost, 4.0 * 1024.0 * 1024.0);
    scenario.notes.push(format!(
        "netctl's: growth of all maps by fdinfo's memlock. Docker's: the proportional set size of {PROXIES} proxies, times {}; one for \
         a port, though dockerd starts two where the host has IPv6.",
        PORTS / PROXIES
    ));
    Ok(scenario)
}

/// Bytes of ten thousand, by fewer.
fn proxies(ground: &Ground<'_>) -> Result<f64> {
    let host = Place::new("host")?;
    let container = SocketAddrV4::new(Ipv4Addr::new(172, 30, 0, 2), 80);
    let start = |number| {
        let listen = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, FIRST_PORT + number);
        DockerProxy::start(&host, listen, container, ground.one_cpu.server)
    };
    let proxies = (0..PROXIES).map(start).collect::<Result<Vec<_>>>()?;
    let bytes: u64 = proxies.iter().map(|proxy| memory::of_process(proxy.id())).sum();
    Ok(float(bytes) * f64::from(PORTS / PROXIES))
}

fn resident(ground: &mut Ground<'_>, listed: &Listed) -> Result<Scenario> {
    const PEER: &str = "dockerd and containerd";
    let mut scenario = samples::scenario(listed, Unit::Bytes, PEER);
    ground.say("asking netctl's resident process");
    let daemon = Place::new("host").and_then(|host| {
        let docker = Dockerd::start(&host, true, "172.31.0.1/16")?;
        Ok(float(memory::of_processes_with(&docker.directory().to_string_lossy())))
    });
    match daemon {
        Ok(bytes) => scenario.series.push(samples::series(PEER, Role::Peer, None, vec![bytes])),
        Err(error) => scenario.skipped.push(samples::skipped(PEER, &error)),
    }
    let engine = Engine::new()?;
    engine.attach(&[])?;
    // A question that is answered shows that it runs.
    engine.container.inside(ask)??;
    let pid = engine.own.serve().and_then(|pid| u32::try_from(pid).ok()).ok_or_else(|| nothing("pid of serve"))?;
    scenario.series.push(samples::series("netctl", Role::Ours, None, vec![float(memory::of_process(pid))]));
    samples::against_peer(&mut scenario);
    samples::aim_once(&mut scenario, Measure::AtMost, 15e6);
    scenario.notes.push("Proportional set sizes; dockerd's just after its start, without containers.".to_owned());
    Ok(scenario)
}

/// Ten thousand questions for the name of the container itself.
fn ask() -> Result<()> {
    const QUESTION: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03box\x00\x00\x01\x00\x01";
    let failed = || Error::socket("ask for a name");
    let socket = UdpSocket::bind("0.0.0.0:0").map_err(failed())?;
    socket.set_read_timeout(Some(Duration::from_secs(5))).map_err(failed())?;
    socket.connect("172.30.0.1:53").map_err(failed())?;
    let mut answer = [0; 512];
    for _ in 0..10_000 {
        socket.send(QUESTION).map_err(failed())?;
        socket.recv(&mut answer).map_err(failed())?;
    }
    // The answer count is 1.
    if answer.get(6..8) == Some(&[0, 1]) { Ok(()) } else { Err(nothing("address in the answer")) }
}

fn nothing(what: &str) -> Error {
    Error::Wrong { what: format!("the {what}"), wanted: "one".to_owned(), found: "none".to_owned() }
}

#[expect(clippy::cast_precision_loss, reason = "sizes below 2^52")]
fn float(bytes: u64) -> f64 {
    bytes as f64
}
