//! Which exit code an error is, by the contract: 2 for what can be seen in the words alone, 3 for what is not there, 4 for what
//! is in the way, 1 for all else.

use super::Error;
use crate::{kernel::KernelError, store::StoreError};

impl Error {
    /// Whether somebody else had the engine all the time.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Kernel(KernelError::Locked { .. }))
    }

    /// The exit code of the contract.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Invalid(_)
            | Self::Network(_)
            | Self::Name(_)
            | Self::Subnet(_)
            | Self::Filters(_)
            | Self::Template(_)
            | Self::Ports(_)
            | Self::Label(_)
            | Self::Choice(_)
            | Self::Dns(_)
            | Self::Sysctls(_)
            | Self::SysctlRefused { .. }
            | Self::NeedsNamedNetns(_)
            | Self::Unsupported(_) => 2,
            Self::PortsNeedBridge(_)
            | Self::NeedsBridge(_)
            | Self::MixedModes
            | Self::ModeConflict(_)
            | Self::TwiceOnNetwork(_)
            | Self::EndpointOptions(_) => 2,
            Self::Bench(error) if error.is_usage() => 2,
            Self::NetworkGone { .. } | Self::NotConnected { .. } => 3,
            Self::NoNetwork(_) | Self::NoContainer(_) | Self::NoInterface(_) | Self::NoProcess(_) => 3,
            Self::NoPublicPort { .. } => 3,
            Self::Netns { source: KernelError::File { source, .. }, .. }
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                3
            }
            Self::Netns { .. } | Self::HostNamespace => 2,
            Self::OtherNamespace { .. }
            | Self::NetworkExists(_)
            | Self::ContainerExists(_)
            | Self::PreDefined(_)
            | Self::PreDefinedName(_)
            | Self::ActiveEndpoints { .. }
            | Self::Overlap { .. }
            | Self::BridgeName { .. }
            | Self::PoolsExhausted
            | Self::SubnetFull(_)
            | Self::Address { .. }
            | Self::SlotsExhausted(_)
            | Self::PortInUse { .. }
            | Self::NotOurAddress(_)
            | Self::NoFreePort(_)
            | Self::RangeInUse { .. }
            | Self::FirewallNeedsForwarding
            | Self::AlreadyAttached(_)
            | Self::InterfaceExists(_)
            | Self::InterfacesExhausted(_)
            | Self::JoinsStopped(_)
            | Self::EndpointExists { .. }
            | Self::HostNetwork
            | Self::SharedNetwork
            | Self::PrivateNetwork
            | Self::Attached { .. }
            | Self::NotAttached(_)
            | Self::Running(_)
            | Self::NotRunning(_)
            | Self::DataPlaneInUse(_)
            | Self::EnginesNetwork { .. }
            | Self::EnginesContainer { .. }
            | Self::OtherNetwork { .. }
            | Self::NoSocket(_)
            | Self::SocketInUse(_)
            | Self::ServeRuns(_)
            | Self::Kernel(KernelError::Locked { .. })
            | Self::Store(StoreError::Ambiguous { .. }) => 4,
            _ => 1,
        }
    }
}
