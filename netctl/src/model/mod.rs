//! Networks, containers and ports as data, with the rules that make them valid. No I/O.

mod container;
mod dns;
mod id;
mod interface;
mod name;
mod network;
mod options;
mod port;
mod subnet;
mod sysctls;

pub use container::{Attachment, Container, Endpoint, EngineName, Origin, Published, State, Status};
pub use dns::{Dns, DnsError, ExtraHost, hostname};
pub use id::{Id, random_mac};
pub use interface::is_interface_name;
pub use name::{Name, NameError};
pub use network::{BUILT_IN, Driver, Network, NetworkSpec, SpecError};
pub use options::{GatewayMode, OptionError};
pub use port::{PortError, PortSpec, Protocol};
pub use subnet::{SubnetError, subnet};
pub use sysctls::{SysctlError, Sysctls};
