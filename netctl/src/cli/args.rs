//! The command line as clap reads it: Docker's words where Docker has them.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use netctl::{engine::dirs, engines::docker};

use super::{
    bench::Bench,
    connect::{Connect, Disconnect},
    echo::Echo,
    network_list::NetworkLs,
    network_removal::{NetworkPrune, NetworkRm},
    ps::Ps,
};

/// Container networking on an eBPF data plane.
#[derive(Debug, Parser)]
#[command(name = "netctl", version, about, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Args)]
pub struct Global {
    /// What survives a reboot
    #[arg(long, global = true, value_name = "DIR", env = dirs::STATE, default_value = dirs::DEFAULT_STATE)]
    pub state_dir: PathBuf,
    /// What does not
    #[arg(long, global = true, value_name = "DIR", env = dirs::RUN, default_value = dirs::DEFAULT_RUN)]
    pub run_dir: PathBuf,
    /// Where programs and maps are pinned
    #[arg(long, global = true, value_name = "DIR", env = dirs::BPFFS, default_value = dirs::DEFAULT_BPFFS)]
    pub bpffs: PathBuf,
    /// The host's resolvers
    #[arg(long, global = true, value_name = "FILE", env = dirs::RESOLV_CONF, default_value = dirs::DEFAULT_RESOLV_CONF)]
    pub resolv_conf: PathBuf,
    /// Which messages go to standard error: error, warn, info, debug or trace
    #[arg(long, global = true, value_name = "LEVEL", default_value = "warn")]
    pub log_level: String,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make, list, show and remove networks, and connect containers to them
    #[command(subcommand)]
    Network(Network),
    /// Run a command in a container of its own
    Run(Run),
    /// List containers
    Ps(Ps),
    /// Show all that is known of containers
    Inspect {
        #[command(flatten)]
        format: ObjectFormat,
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Run a further command in a container
    Exec {
        name: String,
        #[arg(required = true, last = true, value_name = "CMD")]
        command: Vec<String>,
    },
    /// Show where a container's ports are published
    Port {
        name: String,
        /// Only where this one is published
        #[arg(value_name = "PORT[/tcp|udp]")]
        port: Option<String>,
        #[command(flatten)]
        format: Format,
    },
    /// Show what a container has printed
    Logs {
        /// Go on until it ends
        #[arg(short, long)]
        follow: bool,
        name: String,
    },
    /// Begin stopped containers again
    Start {
        #[command(flatten)]
        echo: Echo,
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Stop containers
    Stop {
        /// Seconds from TERM to KILL
        #[arg(short, long, default_value_t = 10, value_name = "SECONDS")]
        time: u64,
        #[command(flatten)]
        echo: Echo,
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Stop containers and begin them again
    Restart {
        /// Seconds from TERM to KILL
        #[arg(short, long, default_value_t = 10, value_name = "SECONDS")]
        time: u64,
        #[command(flatten)]
        echo: Echo,
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Remove containers
    Rm {
        /// Also those that run
        #[arg(short, long)]
        force: bool,
        #[command(flatten)]
        echo: Echo,
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Give an existing network namespace its place on networks
    Attach(Attach),
    /// Take an attached namespace off its networks
    Detach {
        #[command(flatten)]
        echo: Echo,
        name: String,
    },
    /// Load, show and take down the programs
    #[command(subcommand)]
    Dataplane(Dataplane),
    /// Show packets, bytes, drops and connections of containers
    Stats {
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        #[command(flatten)]
        format: Format,
    },
    /// Compare with the paths that others make, on this machine, and change nothing on it
    Bench(Bench),
    /// Answer names and keep order until told to end
    Serve {
        /// Where dockerd finds its plugin: a socket's path, or none
        #[arg(long, value_name = "PATH|none", default_value = docker::DEFAULT)]
        docker_plugin: PathBuf,
        /// Where dockerd answers, to ask it for names
        #[arg(long, value_name = "URL", default_value = docker::DEFAULT_HOST)]
        docker_host: String,
        /// Begun by another command
        #[arg(long, hide = true)]
        automatic: bool,
    },
    /// Do what a container runtime asks of a CNI plugin, in its environment and on standard input
    Cni,
    /// Be Podman's network back end: its words follow
    #[command(disable_help_flag = true)]
    Netavark {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORD")]
        words: Vec<OsString>,
    },
    /// Print what a shell needs to complete our words
    Completions { shell: clap_complete::Shell },
    /// Write the manual into a directory, a page a verb
    #[command(hide = true)]
    ManPages { directory: PathBuf },
    /// Stay with a container
    #[command(hide = true)]
    Monitor { id: String },
}

#[derive(Debug, Subcommand)]
pub enum Network {
    /// Make a network
    Create(Create),
    /// List networks
    #[command(visible_alias = "list")]
    Ls(NetworkLs),
    /// Show all that is known of networks
    Inspect {
        #[command(flatten)]
        format: ObjectFormat,
        /// More, of what there is more
        #[arg(short, long)]
        verbose: bool,
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Connect a container to a further network
    Connect(Connect),
    /// Disconnect a container from a network
    Disconnect(Disconnect),
    /// Remove networks
    #[command(visible_alias = "remove")]
    Rm(NetworkRm),
    /// Remove networks that no container refers to
    Prune(NetworkPrune),
}

#[derive(Debug, Args)]
pub struct Create {
    /// How packets travel
    #[arg(short, long, default_value = "bridge")]
    pub driver: String,
    /// A subnet, at most one of each family
    #[arg(long, value_name = "CIDR")]
    pub subnet: Vec<String>,
    /// The gateway of a subnet
    #[arg(long, value_name = "IP")]
    pub gateway: Vec<String>,
    /// The part of a subnet that containers get addresses from
    #[arg(long, value_name = "CIDR")]
    pub ip_range: Vec<String>,
    /// An address that no container gets
    #[arg(long, value_name = "NAME=IP")]
    pub aux_address: Vec<String>,
    /// Without a way out
    #[arg(long)]
    pub internal: bool,
    /// With an IPv4 subnet, or without
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub ipv4: Option<bool>,
    /// With an IPv6 subnet, or without
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub ipv6: Option<bool>,
    /// Show new connections from outside to the host's FORWARD chain
    #[arg(long)]
    pub respect_host_firewall: bool,
    /// A driver option
    #[arg(short, long = "opt", value_name = "KEY=VALUE")]
    pub option: Vec<String>,
    /// A label
    #[arg(long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,
    #[command(flatten)]
    pub echo: Echo,
    pub name: String,
}

/// Options that `run` and `attach` share.
#[derive(Debug, Args)]
pub struct Connection {
    /// A network: NET, host, none, or name=NET,ip=,ip6=,alias=,mac-address=,gw-priority=,driver-opt=
    #[arg(long, value_name = "NETWORK")]
    pub network: Vec<String>,
    /// An IPv4 address on the first network
    #[arg(long, value_name = "IP")]
    pub ip: Option<std::net::Ipv4Addr>,
    /// An IPv6 address on the first network
    #[arg(long, value_name = "IP")]
    pub ip6: Option<std::net::Ipv6Addr>,
    /// The MAC on the first network
    #[arg(long, value_name = "MAC")]
    pub mac_address: Option<String>,
    /// A further name on the first network
    #[arg(long, value_name = "NAME")]
    pub network_alias: Vec<String>,
    /// A name server to forward this container's questions to
    #[arg(long, value_name = "IP")]
    pub dns: Vec<String>,
    /// A domain to look for names in; . for none
    #[arg(long, value_name = "DOMAIN")]
    pub dns_search: Vec<String>,
    /// An option of resolv.conf, such as ndots:2
    #[arg(long, alias = "dns-opt", value_name = "OPTION")]
    pub dns_option: Vec<String>,
    /// A further host: NAME:IP, or NAME:host-gateway for the host
    #[arg(long, value_name = "NAME:IP")]
    pub add_host: Vec<String>,
    /// A kernel setting of the container's own namespace
    #[arg(long, value_name = "KEY=VALUE")]
    pub sysctl: Vec<String>,
    /// A label
    #[arg(long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,
    /// Publish a port: [HOSTIP:][HOSTPORT[-END]:]PORT[-END][/tcp|udp][,from=CIDR]
    #[arg(short, long, value_name = "PORT")]
    pub publish: Vec<String>,
    /// Publish every exposed port at a free port of the host
    #[arg(short = 'P', long)]
    pub publish_all: bool,
    /// A port that the container serves: PORT[-END][/tcp|udp]
    #[arg(long, value_name = "PORT")]
    pub expose: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Run {
    /// Return once the command runs, and print the identifier
    #[arg(short, long)]
    pub detach: bool,
    /// Remove the container when the command has ended
    #[arg(long)]
    pub rm: bool,
    /// A name
    #[arg(long)]
    pub name: Option<String>,
    /// A host name
    #[arg(long)]
    pub hostname: Option<String>,
    /// A domain name
    #[arg(long)]
    pub domainname: Option<String>,
    /// Print the identifier as one JSON array
    #[arg(long, requires = "detach")]
    pub json: bool,
    #[command(flatten)]
    pub connection: Connection,
    #[arg(required = true, last = true, value_name = "CMD")]
    pub command: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Attach {
    /// A name
    #[arg(long)]
    pub name: String,
    /// A process in the namespace
    #[arg(long, conflicts_with = "netns", required_unless_present = "netns")]
    pub pid: Option<u32>,
    /// A file that stands for the namespace
    #[arg(long, value_name = "PATH")]
    pub netns: Option<PathBuf>,
    #[command(flatten)]
    pub echo: Echo,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Debug, Subcommand)]
pub enum Dataplane {
    /// Load the programs and hook them
    Load {
        /// Only this interface
        #[arg(long, value_name = "DEV")]
        dev: Vec<String>,
        /// How many translated flows of each family are kept at once, from now on: a power of two from 16 to 4194304.
        /// Without it, what was said last, or else 262144; 65536 where there is less than 4 GiB of memory
        #[arg(long, value_name = "NUMBER", value_parser = flows)]
        flows: Option<u32>,
    },
    /// Take the programs down
    Unload,
    /// Show whether and where the programs are hooked
    Status {
        #[command(flatten)]
        format: Format,
    },
    /// Show a table
    Dump {
        table: Table,
        #[command(flatten)]
        format: Format,
    },
}

/// The tables that can be shown.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Table {
    Endpoints,
    Ports,
    Flows,
    Drops,
}

#[derive(Clone, Debug, Args)]
pub struct Format {
    /// One JSON array
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// `table`, `json` for an object a line, a Go template, or `table` and a template
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: String,
}

#[derive(Clone, Debug, Args)]
pub struct ObjectFormat {
    /// One JSON array, as without it
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// `json` for an object a line, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// Records are found by the last bits of a number.
fn flows(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number: &u32| number.is_power_of_two() && (16..=4_194_304).contains(number));
    number.ok_or_else(|| "it has to be a power of two from 16 to 4194304".to_owned())
}
