//! Layouts that cross the border between the programs and the controller: maps, their names, reasons.

mod address;
mod counter;
mod direct_port;
mod endpoint;
mod flow;
mod fragment;
mod host;
pub mod maps;
mod members;
mod publication;
mod reason;
mod settings;
#[cfg(feature = "user")]
mod user;
mod word;

pub use address::{Be16, Ip4, Ip6, Mac, eui64_link_local};
pub use counter::{Counter, CounterKey, DIRECTION_EGRESS, DIRECTION_INGRESS, Traffic};
pub use direct_port::DirectPort;
pub use endpoint::{AddressKey, Endpoint, endpoint_flags};
pub use flow::{End, Flow, FlowKey, FlowReference, FlowState, OUTSIDE, Scope, flow_state};
pub use fragment::{FragmentKey, FragmentPorts};
pub use host::{HeldPort, HostPeer, HostPeers, PEERS_OF_SOCKET};
pub use members::{MEMBERS_MAX, Members};
pub use publication::{AllowedSource, Publication, PublicationKey, RULE_BITS};
pub use reason::{Outcome, Reason};
pub use settings::{FROM_ANCHOR_MARK, Settings, SourceAddress, settings_flags};
pub use word::{LongWord, Shared, Word};
