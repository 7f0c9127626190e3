//! The maps, pinned by name. Their layouts and sizes are `netctl_common::abi`.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    macros::map,
    maps::{Array, HashMap, LpmTrie, PerCpuArray, PerCpuHashMap},
};
use netctl_common::abi::{
    AddressKey, AllowedSource, Counter, CounterKey, DirectPort, Endpoint, Flow, FlowKey, FlowReference, FragmentKey,
    FragmentPorts, HeldPort, HostPeers, Ip4, Ip6, LongWord, Members, Publication, PublicationKey, Settings,
    SourceAddress, Traffic, Word,
    maps::{
        ALLOWED_MAX, COUNTERS_MAX, ENDPOINTS_MAX, FLOWS_MAX, FRAGMENT_PART_SIZE, FRAGMENT_PARTS, HINTS,
        HOST_ADDRESSES_MAX, HOST_PEERS_MAX, INTERFACES_MAX, PUBLICATIONS_MAX, SUBNETS_MAX,
    },
};

#[map]
pub static SETTINGS: Array<Settings> = Array::pinned(1, 0);
#[map]
pub static ENDPOINTS: Array<Endpoint> = Array::pinned(ENDPOINTS_MAX, 0);
#[map]
pub static INTERFACES: HashMap<u32, u32> = HashMap::pinned(INTERFACES_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static ADDRESSES4: HashMap<AddressKey<Ip4>, u32> = HashMap::pinned(ENDPOINTS_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static ADDRESSES6: HashMap<AddressKey<Ip6>, u32> = HashMap::pinned(2 * ENDPOINTS_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static SUBNETS4: LpmTrie<Ip4, u32> = LpmTrie::pinned(SUBNETS_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static SUBNETS6: LpmTrie<Ip6, u32> = LpmTrie::pinned(SUBNETS_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static PUBLICATIONS4: HashMap<PublicationKey<Ip4>, Publication> =
    HashMap::pinned(PUBLICATIONS_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static PUBLICATIONS6: HashMap<PublicationKey<Ip6>, Publication> =
    HashMap::pinned(PUBLICATIONS_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static FLOW_KEYS4: HashMap<FlowKey<Ip4>, FlowReference> = HashMap::pinned(2 * FLOWS_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static FLOW_KEYS6: HashMap<FlowKey<Ip6>, FlowReference> = HashMap::pinned(2 * FLOWS_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static FLOWS4: Array<Flow<Ip4>> = Array::pinned(FLOWS_MAX, 0);
#[map]
pub static FLOWS6: Array<Flow<Ip6>> = Array::pinned(FLOWS_MAX, 0);
/// Twice what the ring leads to: an entry may be replaced by another CPU while its place is being given away.
const FRAGMENTS_MAX: u32 = 2 * FRAGMENT_PARTS * FRAGMENT_PART_SIZE;
#[map]
pub static FRAGMENTS4: HashMap<FragmentKey<Ip4>, FragmentPorts> = HashMap::pinned(FRAGMENTS_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static FRAGMENTS6: HashMap<FragmentKey<Ip6>, FragmentPorts> = HashMap::pinned(FRAGMENTS_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static FRAGMENT_RING4: Array<FragmentKey<Ip4>> = Array::pinned(FRAGMENT_PARTS * FRAGMENT_PART_SIZE, 0);
#[map]
pub static FRAGMENT_RING6: Array<FragmentKey<Ip6>> = Array::pinned(FRAGMENT_PARTS * FRAGMENT_PART_SIZE, 0);
#[map]
pub static FRAGMENT_HANDS: Array<LongWord> = Array::pinned(2 * FRAGMENT_PARTS, 0);
#[map]
pub static ANCHORS: HashMap<u32, u32> = HashMap::pinned(SUBNETS_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static MEMBERS: HashMap<u32, Members> = HashMap::pinned(SUBNETS_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static DIRECT_PORTS4: HashMap<DirectPort<Ip4>, u32> = HashMap::pinned(PUBLICATIONS_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static DIRECT_PORTS6: HashMap<DirectPort<Ip6>, u32> = HashMap::pinned(PUBLICATIONS_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static NETWORK_SOURCES: HashMap<u32, SourceAddress> = HashMap::pinned(SUBNETS_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static ERRORS_TOLD: Array<LongWord> = Array::pinned(ENDPOINTS_MAX, 0);
#[map]
pub static QUESTIONS: Array<LongWord> = Array::pinned(ENDPOINTS_MAX, 0);
#[map]
pub static FLOW_COUNTS: Array<LongWord> = Array::pinned(ENDPOINTS_MAX, 0);
#[map]
pub static FLOW_HANDS: Array<LongWord> = Array::pinned(2, 0);
#[map]
pub static VERDICTS: PerCpuHashMap<CounterKey, Counter> = PerCpuHashMap::pinned(COUNTERS_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static TRAFFIC: PerCpuArray<Traffic> = PerCpuArray::pinned(ENDPOINTS_MAX, 0);
#[map]
pub static SOURCES: HashMap<u32, SourceAddress> = HashMap::pinned(INTERFACES_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static HOST_ADDRESSES4: HashMap<Ip4, u32> = HashMap::pinned(HOST_ADDRESSES_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static HOST_ADDRESSES6: HashMap<Ip6, u32> = HashMap::pinned(HOST_ADDRESSES_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static HELD_PORTS: HashMap<HeldPort, u32> = HashMap::pinned(2 * PUBLICATIONS_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static HOST_PEERS: HashMap<u64, HostPeers> = HashMap::pinned(HOST_PEERS_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static ALLOWED4: LpmTrie<AllowedSource<Ip4>, u32> = LpmTrie::pinned(ALLOWED_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static ALLOWED6: LpmTrie<AllowedSource<[u32; 4]>, u32> = LpmTrie::pinned(ALLOWED_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static INTERFACE_HINTS: Array<Word> = Array::pinned(HINTS, 0);
#[map]
pub static ADDRESS_HINTS4: Array<Word> = Array::pinned(HINTS, 0);
#[map]
pub static ADDRESS_HINTS6: Array<Word> = Array::pinned(HINTS, 0);
#[map]
pub static FLOW_HINTS4: Array<LongWord> = Array::pinned(HINTS, 0);
#[map]
pub static FLOW_HINTS6: Array<LongWord> = Array::pinned(HINTS, 0);
#[map]
pub static HAIRPINS: Array<Word> = Array::pinned(ENDPOINTS_MAX, 0);
