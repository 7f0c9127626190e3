//! Options with a form of their own: KEY=VALUE, MAC addresses, networks with their settings, ports.

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
};

use netctl::{
    engine::{Error, NetworkChoice, Result, RunSpec},
    model::{self, ChoiceError, ContainerPort, Dns, EndpointOptions, PortSpec, Sysctls, hostname},
};

use super::args::{Attach, Connection, Run};

/// KEY=VALUE pairs.
pub fn pairs(items: &[String]) -> BTreeMap<String, String> {
    let split = |item: &String| {
        let (key, value) = item.split_once('=').unwrap_or((item, ""));
        (key.to_owned(), value.to_owned())
    };
    items.iter().map(split).collect()
}

/// Labels; one without a name is refused.
pub fn labels(items: &[String]) -> Result<BTreeMap<String, String>> {
    match items.iter().find(|item| item.is_empty() || item.starts_with('=')) {
        Some(nameless) => Err(Error::Label(nameless.clone())),
        None => Ok(pairs(items)),
    }
}

/// What was read, or everything that is wrong with it.
#[derive(Default)]
pub struct Complaints(Vec<Error>);

impl Complaints {
    /// Takes a part that was read, and notes what is wrong with one that was not.
    pub fn take<T>(&mut self, part: Result<T>) -> Option<T> {
        part.map_err(|error| self.0.push(error)).ok()
    }

    /// Fails if anything was wrong.
    pub fn tell(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self.0)) }
    }
}

/// What `run` asks of a container; everything that is wrong is told.
pub fn run_spec(arguments: &Run) -> Result<RunSpec> {
    spec(
        arguments.name.as_deref(),
        arguments.hostname.as_deref(),
        arguments.domainname.as_deref(),
        &arguments.connection,
    )
}

/// What `attach` asks of a container, whose host name is nobody's but its own.
pub fn attach_spec(arguments: &Attach) -> Result<RunSpec> {
    let spec = spec(Some(&arguments.name), None, None, &arguments.connection)?;
    Ok(RunSpec { hostname: Some(arguments.name.clone()), ..spec })
}

fn spec(name: Option<&str>, host: Option<&str>, domain: Option<&str>, connection: &Connection) -> Result<RunSpec> {
    let mut complaints = Complaints::default();
    let name = complaints.take(name.map(|name| Ok(name.parse()?)).transpose());
    let read = |option, text: Option<&str>| {
        text.map(|text| hostname(option, text)).transpose().map_err(|error| Error::Dns(vec![error]))
    };
    let host = complaints.take(read("hostname", host));
    let domain = complaints.take(read("domainname", domain));
    let networks = complaints.take(networks(connection));
    let ports = complaints.take(ports(connection));
    let Connection { dns, dns_search, dns_option, add_host, .. } = connection;
    let dns = complaints.take(Dns::parse(dns, dns_search, dns_option, add_host).map_err(Error::Dns));
    let sysctls = complaints.take(Sysctls::parse(&connection.sysctl).map_err(Error::Sysctls));
    let labels = complaints.take(labels(&connection.label));
    complaints.tell()?;
    let (ports, exposed) = ports.unwrap_or_default();
    Ok(RunSpec {
        name: name.flatten(),
        hostname: host.flatten(),
        domainname: domain.flatten(),
        networks: networks.unwrap_or_default(),
        ports,
        exposed,
        publishes_all: connection.publish_all,
        labels: labels.unwrap_or_default(),
        dns: dns.unwrap_or_default(),
        sysctls: sysctls.unwrap_or_default(),
    })
}

/// The ports that are published and those that are exposed; every option that is wrong is told.
fn ports(connection: &Connection) -> Result<(Vec<PortSpec>, Vec<ContainerPort>)> {
    let (mut ports, mut exposed, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for item in &connection.publish {
        PortSpec::parse(item).map_or_else(|error| errors.push(error), |specs| ports.extend(specs));
    }
    for item in &connection.expose {
        model::exposed(item).map_or_else(|error| errors.push(error), |more| exposed.extend(more));
    }
    if !errors.is_empty() {
        return Err(Error::Ports(errors));
    }
    exposed.sort_unstable();
    exposed.dedup();
    if connection.publish_all {
        // One that is published by hand already needs no other port.
        let by_hand: HashSet<_> = ports.iter().map(|spec| (spec.port, spec.protocol)).collect();
        ports.extend(exposed.iter().filter(|port| !by_hand.contains(port)).map(|port| PortSpec::anywhere(*port)));
    }
    Ok((ports, exposed))
}

/// The networks of `--network` and of the options for the first one; every one that is wrong is told.
fn networks(connection: &Connection) -> Result<Vec<NetworkChoice>> {
    let mut complaints = Complaints::default();
    let read = connection.network.iter().map(|text| complaints.take(network(text)));
    let mut choices: Vec<_> = read.collect::<Vec<_>>().into_iter().flatten().collect();
    let asked_mac = complaints.take(connection.mac_address.as_deref().map(mac).transpose());
    complaints.tell()?;
    let has_settings = connection.ip.is_some()
        || connection.ip6.is_some()
        || connection.mac_address.is_some()
        || !connection.network_alias.is_empty();
    if choices.is_empty() && has_settings {
        choices.push(NetworkChoice { name: "bridge".to_owned(), ..NetworkChoice::default() });
    }
    if let Some(first) = choices.first_mut() {
        check_said_once(first, connection)?;
        first.addresses.extend(connection.ip.map(IpAddr::V4));
        first.addresses.extend(connection.ip6.map(IpAddr::V6));
        first.aliases.extend(connection.network_alias.iter().cloned());
        first.mac = asked_mac.flatten().or(first.mac);
    }
    Ok(choices)
}

/// What the first network's settings say, an option must not say again.
fn check_said_once(first: &NetworkChoice, connection: &Connection) -> Result<()> {
    let has = |is_wanted: fn(&IpAddr) -> bool| first.addresses.iter().any(is_wanted);
    let all = [
        (connection.ip.is_some() && has(IpAddr::is_ipv4), "ip", "IPv4 address"),
        (connection.ip6.is_some() && has(IpAddr::is_ipv6), "ip6", "IPv6 address"),
        (connection.mac_address.is_some() && first.mac.is_some(), "mac-address", "MAC address"),
        (!connection.network_alias.is_empty() && !first.aliases.is_empty(), "network-alias", "alias"),
    ];
    let twice = all.into_iter().filter(|(is_twice, ..)| *is_twice);
    let twice: Vec<_> = twice.map(|(_, option, setting)| ChoiceError::Twice { option, setting }.into()).collect();
    if twice.is_empty() { Ok(()) } else { Err(Error::Invalid(twice)) }
}

/// `NET`, or `name=NET,ip=,ip6=,alias=,mac-address=,gw-priority=,driver-opt=`, with quotes around what holds a comma.
fn network(text: &str) -> Result<NetworkChoice> {
    if !text.contains('=') {
        return Ok(NetworkChoice { name: chosen(text)?, ..NetworkChoice::default() });
    }
    let mut complaints = Complaints::default();
    let mut choice = NetworkChoice::default();
    let mut driver_options = Vec::new();
    for item in fields(text) {
        let (key, value) = item.split_once('=').unwrap_or((&item, ""));
        let invalid = |family| ChoiceError::Address { family, text: value.to_owned() }.into();
        match key {
            "name" => choice.name = complaints.take(chosen(value)).unwrap_or_default(),
            "alias" => choice.aliases.push(value.to_owned()),
            "mac-address" => choice.mac = complaints.take(mac(value)),
            "ip" => {
                choice.addresses.extend(complaints.take(value.parse().map(IpAddr::V4).map_err(|_| invalid("IPv4"))))
            }
            "ip6" => {
                choice.addresses.extend(complaints.take(value.parse().map(IpAddr::V6).map_err(|_| invalid("IPv6"))))
            }
            "gw-priority" => {
                let priority = value.parse().map_err(|_| ChoiceError::Priority(item.clone()).into());
                choice.priority = complaints.take(priority).unwrap_or_default();
            }
            "driver-opt" => driver_options.push(value.to_owned()),
            _ => drop(complaints.take::<()>(Err(ChoiceError::Setting(key.to_owned()).into()))),
        }
    }
    choice.options = complaints.take(endpoint_options(&driver_options)).unwrap_or_default();
    if !fields(text).iter().any(|item| item.starts_with("name=")) {
        complaints.take::<()>(Err(ChoiceError::SettingsAlone(text.to_owned()).into()));
    }
    complaints.tell()?;
    Ok(choice)
}

/// A network that is chosen: it has a name, and so has a container whose namespace is.
fn chosen(name: &str) -> Result<String> {
    match name {
        "" => Err(ChoiceError::NoName.into()),
        "container:" => Err(ChoiceError::NoContainer.into()),
        _ => Ok(name.to_owned()),
    }
}

/// The fields of a line with commas between them, as Docker reads it (RFC 4180).
fn fields(text: &str) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let record = reader.records().next().and_then(std::result::Result::ok).unwrap_or_default();
    record.iter().map(str::to_owned).collect()
}

/// Driver options of an endpoint; everything that is wrong with them is told.
pub fn endpoint_options(items: &[String]) -> Result<EndpointOptions> {
    EndpointOptions::new(pairs(items)).map_err(Error::EndpointOptions)
}

/// A MAC address of one interface, with colons or dashes.
pub fn mac(text: &str) -> Result<[u8; 6]> {
    let invalid = || ChoiceError::Mac(text.to_owned());
    let bytes: Vec<u8> = text
        .split(if text.contains('-') { '-' } else { ':' })
        .map(|part| u8::from_str_radix(part, 16))
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| invalid())?;
    let bytes: [u8; 6] = bytes.try_into().map_err(|_| invalid())?;
    let is_group = bytes.first().is_some_and(|first| first & 1 != 0);
    if is_group || bytes == [0; 6] { Err(invalid().into()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_a_name_or_settings() {
        let plain = network("web").unwrap();
        assert_eq!((plain.name.as_str(), plain.addresses.len()), ("web", 0));
        let full = network("name=web,ip=172.30.0.9,alias=a,alias=b,mac-address=02:00:00:00:00:09").unwrap();
        assert_eq!(full.aliases, ["a", "b"]);
        assert_eq!(full.mac, Some([2, 0, 0, 0, 0, 9]));
        let leading = network("name=web,gw-priority=-7,\"driver-opt=com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.rp_filter=2,net.ipv4.conf.IFNAME.log_martians=1\"").unwrap();
        assert_eq!((leading.priority, leading.options.sysctls("eth0").len()), (-7, 2));
        for bad in ["name=web,colour=red", "ip=10.0.0.1", "name=web,ip=fd00::1", "name=web,gw-priority=high"] {
            assert!(network(bad).is_err(), "{bad}");
        }
        for bad in
            ["01:00:5e:00:00:01", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "02:00-00:00:00:09", "02:00:00:00:09"]
        {
            assert!(mac(bad).is_err(), "{bad}");
        }
        assert_eq!(mac("02-00-00-00-00-09").unwrap(), [2, 0, 0, 0, 0, 9]);
    }
}
