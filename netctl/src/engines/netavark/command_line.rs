//! netavark's command line, of version 1.4 and of later ones. Options that are of no use to us are taken and left.

use std::{ffi::OsString, path::PathBuf};

use clap::{Parser, Subcommand};

/// Podman's network back end, on netctl
#[derive(Debug, Parser)]
#[command(name = "netavark", version = super::version::SPOKEN)]
pub struct CommandLine {
    /// Read the configuration from this file instead of standard input
    #[arg(short, long, global = true, value_name = "FILE")]
    pub file: Option<OsString>,
    /// Where aardvark-dns would be told of names: nothing is put there
    #[arg(short, long, global = true, value_name = "DIR")]
    pub config: Option<OsString>,
    /// Whether a user without privileges asks: netctl needs them
    #[arg(short, long, global = true, value_name = "BOOL")]
    pub rootless: Option<bool>,
    /// Where aardvark-dns is: netctl answers names itself
    #[arg(short, long, global = true, value_name = "PATH")]
    pub aardvark_binary: Option<OsString>,
    /// Where plugins are: netctl has one driver
    #[arg(short, long, global = true, value_name = "DIR")]
    pub plugin_directory: Vec<OsString>,
    /// Which firewall is to be told: none is
    #[arg(long, global = true, value_name = "NAME")]
    pub firewall_driver: Option<String>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Give a network namespace its places on networks
    Setup {
        /// The file of the namespace
        #[arg(value_name = "NETWORK_NAMESPACE_PATH", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        network_namespace_path: String,
    },
    /// Take a network namespace off networks
    Teardown {
        /// The file of the namespace
        #[arg(value_name = "NETWORK_NAMESPACE_PATH", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        network_namespace_path: String,
    },
    /// Choose the name servers of a network
    Update {
        /// The network
        #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
        network_name: String,
        /// The name servers; nothing for the host's
        #[arg(long, required = true, value_name = "NETWORK_DNS_SERVERS")]
        network_dns_servers: Vec<String>,
    },
    /// Complete the settings of a new network
    Create,
    /// Tell which netavark is spoken
    Version,
    /// Nothing is lost when firewalld is reloaded
    #[command(visible_alias = "nftables-reload", alias = "firewall-reload")]
    FirewalldReload,
    /// Not for netctl
    DhcpProxy {
        #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<PathBuf>,
    },
}
