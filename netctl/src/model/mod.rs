//! Networks, containers and ports as data, with the rules that make them valid. No I/O.

mod addressing;
mod choice_error;
mod container;
mod dns;
mod endpoint_options;
mod filters;
mod gateway;
mod id;
mod interface;
mod name;
mod network;
mod options;
mod port;
mod port_error;
mod port_runs;
mod subnet;
mod sysctls;

pub use addressing::{
    Addressing, AddressingError, addresses_of, point_to_point_resolver, read_gateway, read_reserved, successor,
};
pub use choice_error::ChoiceError;
pub use container::{
    Attachment, Container, Endpoint, EngineName, Furnished, FurtherRoute, Origin, Published, State, Status,
};
pub use dns::{Dns, DnsError, ExtraHost, hostname};
pub use endpoint_options::{EndpointOptionError, EndpointOptions};
pub use filters::{FilterError, Filters};
pub use gateway::{Candidate, leader};
pub use id::{Id, random_mac};
pub use interface::is_interface_name;
pub use name::{Name, NameError};
pub use network::{BUILT_IN, Driver, Network, NetworkSpec, SpecError};
pub use options::{GatewayMode, OptionError, is_bridge_name};
pub use port::{ContainerPort, PortSpec, Protocol, exposed};
pub use port_error::PortError;
pub use subnet::{SubnetError, ip_range, is_host_address, subnet};
pub use sysctls::{SysctlError, Sysctls};
