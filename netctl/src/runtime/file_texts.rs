//! What a container's resolv.conf, hosts and hostname say. Not where they are.

use std::{fs, net::IpAddr, path::Path};

use crate::model::{Container, Endpoint};

/// glibc's MAXNS.
const MAX_SERVERS: usize = 3;

/// Where a container is.
pub struct Place<'a> {
    /// Its endpoints.
    pub endpoints: &'a [Endpoint],
    /// The gateways of its networks, of the families that it has.
    pub gateways: &'a [IpAddr],
    /// Whether one of its networks has names.
    pub has_names: bool,
}

/// What the files say, by name: none that a container on the host's network does not ask for.
pub fn all(container: &Container, place: &Place<'_>, host_conf: &Path) -> Vec<(&'static str, String)> {
    let gateways = place.gateways;
    let host_conf = fs::read_to_string(host_conf).unwrap_or_default();
    let dns = &container.dns;
    if container.network_mode == "host" {
        let mut texts = Vec::new();
        if !(dns.servers.is_empty() && dns.search.is_empty() && dns.options.is_empty()) {
            let servers = if dns.servers.is_empty() { servers(&host_conf) } else { dns.servers.clone() };
            texts.push(("resolv.conf", resolv_conf(container, &servers, false, &host_conf)));
        }
        if !dns.hosts.is_empty() {
            let host = fs::read_to_string("/etc/hosts").unwrap_or_default();
            let loopback = [IpAddr::from([127, 0, 0, 1])];
            texts.push(("hosts", format!("{}\n{}", host.trim_end(), extra_hosts(container, &loopback))));
        }
        return texts;
    }
    // Without a network there is no resolver of ours to ask.
    let servers = if gateways.is_empty() { dns.servers.as_slice() } else { gateways };
    vec![
        ("resolv.conf", resolv_conf(container, servers, place.has_names, &host_conf)),
        ("hosts", hosts(container, place.endpoints, gateways)),
        ("hostname", format!("{}\n", container.hostname)),
    ]
}

/// The name servers, with the container's search list and options or else the host's.
fn resolv_conf(container: &Container, servers: &[IpAddr], has_names: bool, host: &str) -> String {
    let mut text: String = servers.iter().take(MAX_SERVERS).map(|server| format!("nameserver {server}\n")).collect();
    let words = |keywords: &'static [&str]| {
        let fields = host.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        fields.filter(|fields| fields.first().is_some_and(|first| keywords.contains(first)))
    };
    // Of several, resolvers take the last.
    let of_host = || words(&["search", "domain"]).next_back().unwrap_or_default().into_iter().skip(1).collect();
    let search: Vec<&str> = container.dns.search_list().unwrap_or_else(of_host);
    let mut options: Vec<&str> = container.dns.options.iter().map(String::as_str).collect();
    if options.is_empty() {
        options = words(&["options"]).flat_map(|fields| fields.into_iter().skip(1)).collect();
    }
    // A name of one word is a container's before it is anything in a search list.
    if has_names && !options.iter().any(|option| option.starts_with("ndots:")) {
        options.push("ndots:0");
    }
    for (keyword, items) in [("search", search), ("options", options)] {
        if !items.is_empty() {
            text.push_str(&format!("{keyword} {}\n", items.join(" ")));
        }
    }
    text
}

fn servers(host: &str) -> Vec<IpAddr> {
    let servers = host.lines().filter_map(|line| line.trim_start().strip_prefix("nameserver")?.trim().parse().ok());
    servers.take(MAX_SERVERS).collect()
}

fn hosts(container: &Container, endpoints: &[Endpoint], gateways: &[IpAddr]) -> String {
    let mut text = "127.0.0.1\tlocalhost\n".to_owned();
    if !container.sysctls.disable_ipv6() {
        text.push_str("::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\n");
        text.push_str("ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n");
    }
    text.push_str(&extra_hosts(container, gateways));
    let name = &container.hostname;
    for address in endpoints.iter().flat_map(Endpoint::addresses) {
        match container.domainname.as_str() {
            "" => text.push_str(&format!("{address}\t{name}\n")),
            domain => text.push_str(&format!("{address}\t{name}.{domain} {name}\n")),
        }
    }
    text
}

/// The host is the gateway of the container's own network: its first one of each family.
fn extra_hosts(container: &Container, gateways: &[IpAddr]) -> String {
    let mut text = String::new();
    for host in &container.dns.hosts {
        let first = |ipv6: bool| gateways.iter().copied().find(|gateway| gateway.is_ipv6() == ipv6);
        let host_itself = || [first(false), first(true)].into_iter().flatten().collect();
        let addresses: Vec<IpAddr> = host.address.map_or_else(host_itself, |address| vec![address]);
        for address in addresses {
            text.push_str(&format!("{address}\t{}\n", host.name));
        }
    }
    text
}
