//! The rows of the table of targets: who is compared with whom, by what traffic, and what has to be reached. Data only.

use super::{Ends, Entrant, Goal, Ground, Traffic, many_ports, memory, set_up, web};
use crate::bench::{
    Error, Result,
    contestants::{
        BRIDGE, CNI, DIRECT, DOCKER_CROWDED, DOCKER_FEW_CONTAINERS, DOCKER_LEGACY, DOCKER_MANY_CONTAINERS,
        DOCKER_MANY_PORTS, DOCKER_MORE_PORTS, DOCKER_NO_BRIDGE_NF, DOCKER_PROXY, DOCKER_RAW, DOCKER_RULES, DOCKERD,
        DOCKERD_NO_PROXY, Entry, LOOPBACK, NETAVARK, NETCTL, NETCTL_CROWDED, NETCTL_FEW_CONTAINERS,
        NETCTL_MANY_CONTAINERS, NETCTL_MANY_NETWORKS, NETCTL_MANY_PORTS, NETCTL_MORE_PORTS, NETCTL_ROOMY,
        NFT_MANY_PORTS, NFT_MAP, RAW_VETH, ROUTED_HOP, Way,
    },
    generators::Workload,
    outcome::{Role, Scenario},
};

/// A scenario that can be asked for.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    /// The row of the table of targets.
    pub row: Option<u8>,
    /// The word by which it is asked for.
    pub name: &'static str,
    /// One sentence: what happens, from where to where.
    pub what: &'static str,
    /// How it is measured.
    pub how: How,
}

/// How a scenario is measured.
#[derive(Clone, Copy, Debug)]
pub enum How {
    /// The same traffic through all contestants in turn.
    Traffic(&'static Traffic),
    /// In its own way.
    Own(fn(&mut Ground<'_>, &Listed) -> Result<Scenario>),
    /// In its own way, with further scenarios that the same run gives.
    Several(fn(&mut Ground<'_>, &Listed) -> Result<Vec<Scenario>>),
}

/// All, in the order in which they are measured.
pub const CATALOGUE: &[Listed] = &[
    row(1, "local-stream", "A TCP stream from one container to another of its network", &local(Workload::TcpStream)),
    row(2, "local-round-trips", "TCP round trips between two containers of a network", &local(Workload::TcpRoundTrips)),
    row(
        2,
        "local-udp-round-trips",
        "UDP round trips between two containers of a network",
        &local(Workload::UdpRoundTrips),
    ),
    row(
        3,
        "local-connections",
        "Connect, ask, answer, close between two containers of a network",
        &local(Workload::TcpConnections),
    ),
    row(
        4,
        "local-packets",
        "UDP packets of 64 bytes from one container to another of its network",
        &local(Workload::UdpPackets),
    ),
    row(5, "published-stream", "A TCP stream from outside to a published port", &published(Workload::TcpStream)),
    row(
        6,
        "published-round-trips",
        "TCP round trips from outside at a published port",
        &published(Workload::TcpRoundTrips),
    ),
    row(
        6,
        "published-udp-round-trips",
        "UDP round trips from outside at a published port",
        &published(Workload::UdpRoundTrips),
    ),
    row(
        7,
        "published-connections",
        "Connect, ask, answer, close from outside at one of 10 published ports",
        &published(Workload::TcpConnections),
    ),
    row(8, "many-ports", "Connect, ask, answer, close from outside at the last of 10,000 published ports", &MANY_PORTS),
    row(9, "many-containers", "TCP round trips between two of 1,000 containers", &MANY_CONTAINERS),
    extra("many-networks", "TCP round trips from outside at a port published on one of 100 networks", &MANY_NETWORKS),
    row(11, "outbound-stream", "A TCP stream from a container to outside, masqueraded", &outbound(Workload::TcpStream)),
    row(
        11,
        "outbound-round-trips",
        "TCP round trips from a container to outside, masqueraded",
        &outbound(Workload::TcpRoundTrips),
    ),
    row(
        11,
        "outbound-connections",
        "Connect, ask, answer, close from a container to outside, masqueraded",
        &outbound(Workload::TcpConnections),
    ),
    row(
        12,
        "many-flows",
        "TCP round trips from a container to outside beside 256,000 live flows, masqueraded",
        &MANY_FLOWS,
    ),
    row(
        10,
        "host-stream",
        "A TCP stream from the host, by 127.0.0.1, to a published port",
        &host(Workload::TcpStream, HOST_TWICE),
    ),
    row(
        10,
        "host-round-trips",
        "TCP round trips from the host, by 127.0.0.1, at a published port",
        &host(Workload::TcpRoundTrips, HOST_TWICE),
    ),
    row(
        10,
        "host-connections",
        "Connect, ask, answer, close from the host, by 127.0.0.1, at a published port",
        &host(Workload::TcpConnections, HOST_THRICE),
    ),
    own(16, "memory-flow", "A masqueraded UDP flow", How::Several(memory::measure)),
    own(
        17,
        "endpoint-set-up",
        "A ready namespace gets an endpoint with one published port",
        How::Several(set_up::measure),
    ),
    own(
        18,
        "ten-thousand-ports",
        "A ready namespace gets 10,000 published ports at once",
        How::Own(many_ports::measure),
    ),
    Listed {
        row: None,
        name: "web-small-file",
        what: "nginx behind a published port, wrk asks for 128 bytes",
        how: How::Several(web::measure),
    },
    extra(
        "published-round-trips-512",
        "TCP round trips from outside at a published port, on 512 open connections in turn",
        &Traffic { goals: &[], ..published(Workload::TcpRoundTripsOn(512)) },
    ),
    extra(
        "local-stream-two-cpus",
        "A TCP stream between two containers, one end a CPU",
        &spread(&local(Workload::TcpStream)),
    ),
    extra(
        "published-stream-two-cpus",
        "A TCP stream from outside to a published port, one end a CPU",
        &spread(&published(Workload::TcpStream)),
    ),
];

/// The scenario of that name.
pub fn find(name: &str) -> Result<&'static Listed> {
    CATALOGUE.iter().find(|listed| listed.name == name).ok_or_else(|| {
        let words = |text: &str| text.split('-').map(str::to_owned).collect::<Vec<_>>();
        let asked = words(name);
        let alike = |listed: &&Listed| words(listed.name).iter().filter(|word| asked.contains(word)).count();
        let nearest = CATALOGUE.iter().rev().filter(|listed| alike(listed) > 0).max_by_key(alike);
        Error::NoScenario { name: name.to_owned(), nearest: nearest.map(|listed| listed.name.to_owned()) }
    })
}

const fn row(row: u8, name: &'static str, what: &'static str, traffic: &'static Traffic) -> Listed {
    Listed { row: Some(row), name, what, how: How::Traffic(traffic) }
}

const fn own(row: u8, name: &'static str, what: &'static str, how: How) -> Listed {
    Listed { row: Some(row), name, what, how }
}

const fn extra(name: &'static str, what: &'static str, traffic: &'static Traffic) -> Listed {
    Listed { row: None, name, what, how: How::Traffic(traffic) }
}

const fn one(role: Role, entry: Entry) -> Entrant {
    Entrant { entry, role, x: None, name: entry.name }
}

const fn local(workload: Workload) -> Traffic {
    const ENTRANTS: &[Entrant] = &[
        one(Role::Peer, DOCKER_RULES),
        one(Role::Ours, NETCTL),
        one(Role::Limit, RAW_VETH),
        one(Role::Other, BRIDGE),
        one(Role::Other, DOCKER_RAW),
        one(Role::Other, DOCKER_LEGACY),
        one(Role::Other, DOCKER_NO_BRIDGE_NF),
        one(Role::Other, DOCKERD),
        one(Role::Other, DOCKERD_NO_PROXY),
        one(Role::Other, CNI),
        one(Role::Other, NETAVARK),
        one(Role::Other, LOOPBACK),
    ];
    const GOALS: &[Goal] = &[Goal::Share { reach: 0.80, stretch: 0.95 }];
    Traffic { workload, way: Way::Local, ends: Ends::OneCpu, x: None, entrants: ENTRANTS, goals: GOALS }
}

const fn published(workload: Workload) -> Traffic {
    const GOALS: &[Goal] = &[Goal::Share { reach: 0.80, stretch: 1.0 }];
    Traffic { workload, way: Way::Published, ends: Ends::OneCpu, x: None, entrants: ACROSS, goals: GOALS }
}

const fn outbound(workload: Workload) -> Traffic {
    const GOALS: &[Goal] = &[Goal::Share { reach: 0.70, stretch: 0.95 }];
    Traffic { workload, way: Way::Outbound, ends: Ends::OneCpu, x: None, entrants: ACROSS, goals: GOALS }
}

const fn host(workload: Workload, goals: &'static [Goal]) -> Traffic {
    const ENTRANTS: &[Entrant] = &[
        one(Role::Peer, DOCKER_PROXY),
        one(Role::Ours, NETCTL),
        one(Role::Limit, DIRECT),
        one(Role::Other, DOCKERD),
        one(Role::Other, CNI),
    ];
    Traffic { workload, way: Way::Host, ends: Ends::OneCpu, x: None, entrants: ENTRANTS, goals }
}

const HOST_TWICE: &[Goal] = &[
    Goal::Times { than: (DOCKER_PROXY.name, None), reach: 1.8, stretch: None },
    Goal::Times { than: (DIRECT.name, None), reach: 0.97, stretch: None },
];
const HOST_THRICE: &[Goal] = &[
    Goal::Times { than: (DOCKER_PROXY.name, None), reach: 3.0, stretch: None },
    Goal::Times { than: (DIRECT.name, None), reach: 0.97, stretch: None },
];

/// Who carries packets between a container and the outside.
const ACROSS: &[Entrant] = &[
    one(Role::Peer, DOCKER_RULES),
    one(Role::Ours, NETCTL),
    one(Role::Limit, ROUTED_HOP),
    one(Role::Other, NFT_MAP),
    one(Role::Other, DOCKERD),
    one(Role::Other, DOCKERD_NO_PROXY),
    one(Role::Other, CNI),
    one(Role::Other, NETAVARK),
    one(Role::Other, DOCKER_RAW),
    one(Role::Other, DOCKER_LEGACY),
    one(Role::Other, DOCKER_NO_BRIDGE_NF),
];

const MANY_PORTS: Traffic = Traffic {
    workload: Workload::TcpConnections,
    way: Way::Published,
    ends: Ends::OneCpu,
    x: Some("published ports"),
    entrants: &[
        at(Role::Peer, DOCKER_RULES, 10_000.0, DOCKER_MANY_PORTS),
        at(Role::Ours, NETCTL, 10_000.0, NETCTL_MANY_PORTS),
        at(Role::Other, NETCTL, 1_000.0, NETCTL_MORE_PORTS),
        at(Role::Other, NETCTL, 10.0, NETCTL),
        at(Role::Other, DOCKER_RULES, 1_000.0, DOCKER_MORE_PORTS),
        at(Role::Other, DOCKER_RULES, 10.0, DOCKER_RULES),
        at(Role::Other, NFT_MAP, 10_000.0, NFT_MANY_PORTS),
        at(Role::Other, NFT_MAP, 10.0, NFT_MAP),
    ],
    goals: &[
        Goal::Times { than: (DOCKER_RULES.name, Some(10_000.0)), reach: 5.0, stretch: Some(10.0) },
        Goal::Times { than: (NETCTL.name, Some(10.0)), reach: 0.97, stretch: None },
    ],
};

const MANY_CONTAINERS: Traffic = Traffic {
    workload: Workload::TcpRoundTrips,
    way: Way::Local,
    ends: Ends::OneCpu,
    x: Some("containers"),
    entrants: &[
        at(Role::Peer, DOCKER_RAW, 1_000.0, DOCKER_MANY_CONTAINERS),
        at(Role::Ours, NETCTL, 1_000.0, NETCTL_MANY_CONTAINERS),
        at(Role::Other, NETCTL, 10.0, NETCTL_FEW_CONTAINERS),
        at(Role::Other, DOCKER_RAW, 10.0, DOCKER_FEW_CONTAINERS),
    ],
    goals: &[
        Goal::Times { than: (DOCKER_RAW.name, Some(1_000.0)), reach: 1.5, stretch: Some(2.0) },
        Goal::Times { than: (NETCTL.name, Some(10.0)), reach: 0.98, stretch: None },
    ],
};

const MANY_NETWORKS: Traffic = Traffic {
    workload: Workload::TcpRoundTrips,
    way: Way::Published,
    ends: Ends::OneCpu,
    x: Some("networks"),
    entrants: &[at(Role::Peer, NETCTL, 1.0, NETCTL), at(Role::Ours, NETCTL, 100.0, NETCTL_MANY_NETWORKS)],
    goals: &[Goal::Times { than: (NETCTL.name, Some(1.0)), reach: 0.97, stretch: None }],
};

const MANY_FLOWS: Traffic = Traffic {
    workload: Workload::TcpRoundTrips,
    way: Way::Outbound,
    ends: Ends::OneCpu,
    x: Some("live flows"),
    entrants: &[
        at(Role::Peer, DOCKER_RULES, 256_000.0, DOCKER_CROWDED),
        at(Role::Ours, NETCTL, 256_000.0, NETCTL_CROWDED),
        at(Role::Other, NETCTL, 0.0, NETCTL_ROOMY),
        at(Role::Other, DOCKER_RULES, 0.0, DOCKER_RULES),
    ],
    goals: &[Goal::Times { than: (NETCTL.name, Some(0.0)), reach: 0.95, stretch: None }],
};

/// A contestant at a place of a curve, for which it is built on its own.
const fn at(role: Role, contestant: Entry, x: f64, entry: Entry) -> Entrant {
    Entrant { entry, role, x: Some(x), name: contestant.name }
}

/// The same with one end a CPU, for orientation only.
const fn spread(traffic: &Traffic) -> Traffic {
    let Traffic { workload, way, x, entrants, .. } = *traffic;
    Traffic { workload, way, ends: Ends::TwoCpus, x, entrants, goals: &[] }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_scenario_has_a_name_of_its_own_and_begins_with_its_peer() {
        let names: HashSet<&str> = CATALOGUE.iter().map(|listed| listed.name).collect();
        assert_eq!(names.len(), CATALOGUE.len());
        for listed in CATALOGUE {
            if let How::Traffic(traffic) = listed.how {
                let roles: Vec<Role> = traffic.entrants.iter().map(|one| one.role).collect();
                let count = |role| roles.iter().filter(|found| **found == role).count();
                assert_eq!(roles.first(), Some(&Role::Peer), "{}", listed.name);
                assert_eq!((count(Role::Peer), count(Role::Ours)), (1, 1), "{}", listed.name);
            }
        }
    }

    #[test]
    fn an_unknown_scenario_is_refused_with_the_nearest_one() {
        let complaint = find("local-roundtrips").map(|_| ()).unwrap_err().to_string();
        assert!(complaint.starts_with("SCENARIO: ") && complaint.contains("--list"), "{complaint}");
        assert!(complaint.contains("local-"), "{complaint}");
    }
}
