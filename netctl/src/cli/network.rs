//! `netctl network create`: what is asked of a new network.

use netctl::{
    engine::{Dirs, Engine, Error},
    model::{Addressing, NetworkSpec, SpecError, ip_range, read_gateway, read_reserved, subnet},
    serve::{self, Changed},
};

use super::{
    args::Create,
    dispatch::Outcome,
    options::{self, Complaints},
};

/// `network create`: prints the identifier.
pub fn create(dirs: &Dirs, arguments: Create) -> Outcome {
    let mut complaints = Complaints::default();
    if arguments.driver != "bridge" {
        complaints.take::<()>(Err(Error::Unsupported(format!("the driver {}", arguments.driver))));
    }
    let name = complaints.take(arguments.name.parse().map_err(Error::Name));
    let labels = complaints.take(options::labels(&arguments.label));
    let (addressing, are_read) = addressing(&arguments, &mut complaints);
    let spec = NetworkSpec {
        addressing,
        internal: arguments.internal,
        ipv4: arguments.ipv4,
        ipv6: arguments.ipv6,
        respects_host_firewall: arguments.respect_host_firewall,
        options: options::pairs(&arguments.option),
        labels: labels.unwrap_or_default(),
        ..NetworkSpec::default()
    };
    let mut errors = spec.errors();
    // Beside a subnet that was not understood, a gateway is in none for that reason alone.
    errors.retain(|error| are_read || !matches!(error, SpecError::Addressing(error) if error.lacks_subnet()));
    if !errors.is_empty() {
        complaints.take::<()>(Err(Error::Network(errors)));
    }
    complaints.tell()?;
    let Some(name) = name else {
        return Ok(2);
    };
    let id = Engine::change(dirs, |engine| engine.create_network(&name, &spec))?;
    serve::nudge(dirs, Changed::Networks);
    arguments.echo.one(id.as_str())
}

/// The addresses that are asked for, and whether every subnet was understood.
fn addressing(arguments: &Create, complaints: &mut Complaints) -> (Addressing, bool) {
    let subnets: Vec<_> =
        arguments.subnet.iter().map(|text| complaints.take(subnet(text).map_err(Error::Subnet))).collect();
    let are_read = subnets.iter().all(Option::is_some);
    let ranges = arguments.ip_range.iter().filter_map(|text| complaints.take(ip_range(text).map_err(Error::Subnet)));
    let ranges = ranges.collect();
    let of = |error| Error::Network(vec![SpecError::Addressing(error)]);
    let gateways =
        arguments.gateway.iter().filter_map(|text| complaints.take(read_gateway(text).map_err(of))).collect();
    let reserved = arguments.aux_address.iter().filter_map(|text| complaints.take(read_reserved(text).map_err(of)));
    let reserved = reserved.collect();
    (Addressing { subnets: subnets.into_iter().flatten().collect(), ranges, gateways, reserved }, are_read)
}
