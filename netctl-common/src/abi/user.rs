//! Lets aya copy the layouts to and from the kernel.

use super::*;

macro_rules! pod {
    ($($type:ty),* $(,)?) => {
        $(
            // SAFETY: `#[repr(C)]` or transparent, integers only, no padding (sizes are asserted beside each type).
            unsafe impl aya::Pod for $type {}
        )*
    };
}

pod!(
    Ip4,
    Ip6,
    Counter,
    CounterKey,
    Traffic,
    Endpoint,
    AddressKey<Ip4>,
    AddressKey<Ip6>,
    FlowKey<Ip4>,
    FlowKey<Ip6>,
    FlowReference,
    HeldPort,
    HostPeers,
    FragmentKey<Ip4>,
    FragmentKey<Ip6>,
    FragmentPorts,
    AllowedSource<Ip4>,
    AllowedSource<[u32; 4]>,
    Members,
    DirectPort<Ip4>,
    DirectPort<Ip6>,
    Publication,
    PublicationKey<Ip4>,
    PublicationKey<Ip6>,
    Settings,
    SourceAddress,
);
