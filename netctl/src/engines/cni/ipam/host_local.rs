//! `host-local`: addresses of ranges, reserved in files of this host.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    RangeError,
    error::AllocationFault,
    ranges::{Range, RangeSet},
    reservations::{Holder, Reservations},
    wishes::wished_addresses,
};
use crate::engines::cni::{
    Error, Result,
    call::Call,
    environment::Command,
    wire::{AddedIp, AddedResult, DnsConfig, HostLocalConfig, RouteConfig, RouteText, shape},
};

/// Does what is asked; `ADD` has a result.
pub fn host_local(call: &Call) -> Result<Option<AddedResult>> {
    let config: HostLocalConfig = shape(call.whole.get("ipam"))?;
    match call.environment.command {
        Command::Add => add(call, &config).map(Some),
        Command::Status => RangeSet::all(&sets(call, &config)).map(|_| None).map_err(Error::Ranges),
        Command::Version => Ok(None),
        command => give_back(call, &config, command).map(|()| None),
    }
}

/// All but ADD: where nothing was ever reserved, nothing is made.
fn give_back(call: &Call, config: &HostLocalConfig, command: Command) -> Result<()> {
    let known = Reservations::known(config.directory.as_deref(), &call.name)?;
    let own = match &known {
        Some(reservations) => reservations.of(&holder(call))?,
        None => Vec::new(),
    };
    match (command, known) {
        (Command::Check, _) if own.is_empty() => {
            Err(RangeError::NotReserved(call.environment.container.clone()).into())
        }
        (Command::Del, Some(reservations)) => own.into_iter().try_for_each(|address| reservations.release(address)),
        (Command::Gc, Some(reservations)) => release_unknown(call, &reservations),
        _ => Ok(()),
    }
}

fn add(call: &Call, config: &HostLocalConfig) -> Result<AddedResult> {
    let arguments = &call.environment.arguments;
    arguments.check(&["IP"])?;
    let sets = RangeSet::all(&sets(call, config))?;
    let mut wished = wished_addresses(&call.config, arguments)?;
    let dns = config.resolv_conf.as_deref().filter(|path| !path.is_empty()).map(read_resolv_conf).transpose()?;
    let routes = read_routes(config.routes.as_deref().unwrap_or_default())?;
    let reservations = Reservations::open(config.directory.as_deref(), &call.name)?;
    let mut given: Vec<(IpAddr, &Range)> = Vec::new();
    let outcome = (0..).zip(&sets).try_for_each(|(number, set)| {
        let place = wished.iter().position(|address| set.range_of(address).is_some());
        let wish = place.map(|place| wished.remove(place));
        let why = |why| Error::from(RangeError::Allocation { set: number, why });
        given.push(allocate(call, &reservations, number, set, wish)?.map_err(why)?);
        Ok(())
    });
    let outcome = match outcome {
        Ok(()) if !wished.is_empty() => Err(RangeError::NotAllWished(wished).into()),
        outcome => outcome,
    };
    if let Err(error) = outcome {
        given.iter().try_for_each(|(address, _)| reservations.release(*address))?;
        return Err(error);
    }
    let ips = given.iter().map(|(address, range)| with_prefix(*address, range)).collect();
    Ok(AddedResult { ips, routes, dns: dns.unwrap_or_default(), ..AddedResult::default() })
}

fn allocate<'a>(
    call: &Call,
    reservations: &Reservations,
    number: usize,
    set: &'a RangeSet,
    wish: Option<IpAddr>,
) -> Result<std::result::Result<(IpAddr, &'a Range), AllocationFault>> {
    let holder = holder(call);
    let reserve = |address| reservations.reserve(address, number, &holder);
    if let Some(wish) = wish {
        return set.certain(wish, reserve);
    }
    if let Some(held) = reservations.of(&holder)?.into_iter().find(|address| set.range_of(address).is_some()) {
        return Ok(Err(AllocationFault::Duplicate(held, holder.container.clone())));
    }
    set.next(reservations.last(number), reserve)
}

fn release_unknown(call: &Call, reservations: &Reservations) -> Result<()> {
    let Some(valid) = call.valid_attachments()? else {
        return Ok(());
    };
    let is_valid = |holder: &Holder| {
        valid.iter().any(|known| {
            known.container == holder.container && (known.interface == holder.interface || holder.interface.is_empty())
        })
    };
    let unknown = reservations.all()?.into_iter().filter(|(_, holder)| !is_valid(holder));
    unknown.map(|(address, _)| address).try_for_each(|address| reservations.release(address))
}

/// The ranges of the capability go first, then the one that stands in the configuration itself.
fn sets(call: &Call, config: &HostLocalConfig) -> Vec<Vec<crate::engines::cni::wire::RangeConfig>> {
    let mut sets = call.config.runtime.as_ref().and_then(|runtime| runtime.ranges.clone()).unwrap_or_default();
    if config.range.subnet.as_deref().is_some_and(|subnet| !subnet.is_empty()) {
        sets.push(vec![config.range.clone()]);
    }
    sets.extend(config.ranges.clone().unwrap_or_default());
    sets
}

fn holder(call: &Call) -> Holder {
    Holder { container: call.environment.container.clone(), interface: call.environment.interface.clone() }
}

fn with_prefix(address: IpAddr, range: &Range) -> AddedIp {
    let address = IpNet::new(address, range.subnet.prefix_len()).unwrap_or_else(|_| address.into());
    AddedIp { interface: None, address, gateway: Some(range.gateway) }
}

/// Routes that are given as text.
pub(super) fn read_routes(routes: &[RouteText]) -> Result<Vec<RouteConfig>> {
    let read = |route: &RouteText| {
        let dst = route.dst.as_deref().unwrap_or_default();
        let gw = route.gw.as_deref().filter(|text| !text.is_empty());
        Ok(RouteConfig {
            dst: dst.parse::<IpNet>().map_err(|_| RangeError::Cidr(dst.to_owned()))?.trunc(),
            gw: gw.map(|text| text.parse().map_err(|_| RangeError::Address(text.to_owned()))).transpose()?,
            rest: Default::default(),
        })
    };
    routes.iter().map(read).collect::<std::result::Result<_, RangeError>>().map_err(Error::Ranges)
}

fn read_resolv_conf(path: &str) -> Result<DnsConfig> {
    let failed = |source| Error::File { action: "open", path: path.into(), source };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let mut dns = DnsConfig::default();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        let mut words = line.split_whitespace().map(str::to_owned);
        match words.next().as_deref() {
            Some("nameserver") => dns.nameservers.extend(words.next()),
            Some("domain") => dns.domain = words.next(),
            Some("search") => dns.search.extend(words),
            Some("options") => dns.options.extend(words),
            _ => {}
        }
    }
    Ok(dns)
}
