//! The JSON of CNI: network configurations, results of all versions, errors and versions. Nothing else knows their shapes.

mod config;
mod ipam_config;
mod result;
mod version;

pub use config::{
    Aliases, BridgeConfig, CniArgs, Config, DnsConfig, DnsnameConfig, NetctlConfig, PortMapping, PortmapConfig,
    RuntimeConfig, TuningConfig, ValidAttachment, read, shape,
};
pub use ipam_config::{HostLocalConfig, RangeConfig, RouteConfig, RouteText, StaticConfig};
pub use result::{AddedInterface, AddedIp, AddedResult, failure, read_failure, read_result, write_result};
pub use version::{Version, known_versions, versions};
