//! The iptables rules of one Docker bridge network, as `iptables-restore` input. Pure text: nothing is loaded here.
//!
//! The filter and nat tables are those of Docker 20.10 with its userland proxy on (no hairpin NAT on the bridge); the
//! raw table is Docker 28's `filterDirectAccess`, a rule for each endpoint.

use std::fmt::{self, Write};
use std::net::Ipv4Addr;

/// A transport protocol of a published port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// A port of all host addresses that leads to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Of both sides.
    pub protocol: Protocol,
    /// The port of the host.
    pub host_port: u16,
    /// The container's address.
    pub container: Ipv4Addr,
    /// The port of the container.
    pub container_port: u16,
}

/// What the rules are written for.
#[derive(Clone, Copy, Debug)]
pub struct RuleSet<'a> {
    /// The bridge's device.
    pub bridge: &'a str,
    /// The network in CIDR notation.
    pub subnet: &'a str,
    /// In the order in which the containers were started: the kernel tries the first one first.
    pub published: &'a [Published],
    /// The endpoints that get a rule in the raw table; none before Docker 28.
    pub guarded: &'a [Ipv4Addr],
}

impl fmt::Display for RuleSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.guarded.is_empty() {
            self.raw(f)?;
        }
        self.nat(f)?;
        self.filter(f)
    }
}

impl RuleSet<'_> {
    fn raw(&self, out: &mut impl Write) -> fmt::Result {
        out.write_str("*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n")?;
        for address in self.guarded {
            writeln!(out, "-A PREROUTING -d {address}/32 ! -i {} -j DROP", self.bridge)?;
        }
        out.write_str("COMMIT\n")
    }

    fn nat(&self, out: &mut impl Write) -> fmt::Result {
        let Self { bridge, subnet, .. } = self;
        out.write_str("*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n")?;
        out.write_str(":POSTROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n")?;
        out.write_str("-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n")?;
        out.write_str("-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER\n")?;
        writeln!(out, "-A POSTROUTING -s {subnet} ! -o {bridge} -j MASQUERADE")?;
        for Published { protocol, container, container_port, .. } in self.published {
            let port = format!("-p {protocol} -m {protocol} --dport {container_port}");
            writeln!(out, "-A POSTROUTING -s {container}/32 -d {container}/32 {port} -j MASQUERADE")?;
        }
        writeln!(out, "-A DOCKER -i {bridge} -j RETURN")?;
        for Published { protocol, host_port, container, container_port } in self.published {
            let port = format!("-p {protocol} -m {protocol} --dport {host_port}");
            writeln!(out, "-A DOCKER ! -i {bridge} {port} -j DNAT --to-destination {container}:{container_port}")?;
        }
        out.write_str("COMMIT\n")
    }

    fn filter(&self, out: &mut impl Write) -> fmt::Result {
        let bridge = self.bridge;
        out.write_str("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n")?;
        out.write_str(":DOCKER-ISOLATION-STAGE-1 - [0:0]\n:DOCKER-ISOLATION-STAGE-2 - [0:0]\n:DOCKER-USER - [0:0]\n")?;
        out.write_str("-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-ISOLATION-STAGE-1\n")?;
        writeln!(out, "-A FORWARD -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")?;
        writeln!(out, "-A FORWARD -o {bridge} -j DOCKER")?;
        writeln!(out, "-A FORWARD -i {bridge} ! -o {bridge} -j ACCEPT")?;
        writeln!(out, "-A FORWARD -i {bridge} -o {bridge} -j ACCEPT")?;
        for Published { protocol, container, container_port, .. } in self.published {
            let port = format!("-p {protocol} -m {protocol} --dport {container_port}");
            writeln!(out, "-A DOCKER -d {container}/32 ! -i {bridge} -o {bridge} {port} -j ACCEPT")?;
        }
        writeln!(out, "-A DOCKER-ISOLATION-STAGE-1 -i {bridge} ! -o {bridge} -j DOCKER-ISOLATION-STAGE-2")?;
        out.write_str("-A DOCKER-ISOLATION-STAGE-1 -j RETURN\n")?;
        writeln!(out, "-A DOCKER-ISOLATION-STAGE-2 -o {bridge} -j DROP")?;
        out.write_str("-A DOCKER-ISOLATION-STAGE-2 -j RETURN\n-A DOCKER-USER -j RETURN\nCOMMIT\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: Published = Published {
        protocol: Protocol::Tcp,
        host_port: 8080,
        container: Ipv4Addr::new(172, 30, 0, 3),
        container_port: 80,
    };

    fn rules(published: &[Published], guarded: &[Ipv4Addr]) -> String {
        RuleSet { bridge: "br0", subnet: "172.30.0.0/16", published, guarded }.to_string()
    }

    #[test]
    fn a_published_port_gets_three_rules() {
        let (without, with) = (rules(&[], &[]), rules(&[WEB], &[]));
        let added: Vec<&str> = with.lines().filter(|line| !without.lines().any(|old| old == *line)).collect();
        assert_eq!(
            added,
            [
                "-A POSTROUTING -s 172.30.0.3/32 -d 172.30.0.3/32 -p tcp -m tcp --dport 80 -j MASQUERADE",
                "-A DOCKER ! -i br0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.30.0.3:80",
                "-A DOCKER -d 172.30.0.3/32 ! -i br0 -o br0 -p tcp -m tcp --dport 80 -j ACCEPT",
            ]
        );
    }

    #[test]
    fn the_raw_table_is_written_only_for_guarded_endpoints() {
        assert!(!rules(&[WEB], &[]).contains("*raw"));
        let guarded = rules(&[WEB], &[WEB.container]);
        assert!(guarded.contains("-A PREROUTING -d 172.30.0.3/32 ! -i br0 -j DROP\n"), "{guarded}");
    }
}
