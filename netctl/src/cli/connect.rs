//! `netctl network connect` and `disconnect`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use clap::Args;
use netctl::{
    engine::{Dirs, NetworkChoice},
    runtime,
};

use super::{
    dispatch::Outcome,
    options::{self, Complaints},
};

#[derive(Debug, Args)]
pub struct Connect {
    /// An IPv4 address on the network
    #[arg(long, value_name = "IP")]
    ip: Option<Ipv4Addr>,
    /// An IPv6 address on the network
    #[arg(long, value_name = "IP")]
    ip6: Option<Ipv6Addr>,
    /// A further name on the network
    #[arg(long, value_name = "NAME")]
    alias: Vec<String>,
    /// The MAC on the network
    #[arg(long, value_name = "MAC")]
    mac_address: Option<String>,
    /// The network of the highest one has the default route
    #[arg(long, value_name = "NUMBER", default_value_t = 0, allow_negative_numbers = true)]
    gw_priority: i64,
    /// A driver option of the endpoint
    #[arg(long, value_name = "KEY=VALUE")]
    driver_opt: Vec<String>,
    network: String,
    container: String,
}

#[derive(Debug, Args)]
pub struct Disconnect {
    /// Also from a network that is gone
    #[arg(short, long)]
    force: bool,
    network: String,
    container: String,
}

/// `network connect`.
pub fn connect(dirs: &Dirs, arguments: Connect) -> Outcome {
    let mut complaints = Complaints::default();
    let mac = complaints.take(arguments.mac_address.as_deref().map(options::mac).transpose());
    let endpoint = complaints.take(options::endpoint_options(&arguments.driver_opt));
    complaints.tell()?;
    let choice = NetworkChoice {
        name: arguments.network.clone(),
        addresses: arguments.ip.map(IpAddr::V4).into_iter().chain(arguments.ip6.map(IpAddr::V6)).collect(),
        mac: mac.flatten(),
        aliases: arguments.alias,
        priority: arguments.gw_priority,
        options: endpoint.unwrap_or_default(),
        endpoint: None,
        ..NetworkChoice::default()
    };
    runtime::connect(dirs, &arguments.network, &arguments.container, choice)?;
    Ok(0)
}

/// `network disconnect`.
pub fn disconnect(dirs: &Dirs, arguments: &Disconnect) -> Outcome {
    runtime::disconnect(dirs, &arguments.network, &arguments.container, arguments.force)?;
    Ok(0)
}
