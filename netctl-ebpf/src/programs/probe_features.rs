//! Tells which optional flags of helpers this kernel takes. Run once by the controller, attached nowhere.

use aya_ebpf::{
    EbpfContext,
    bindings::{BPF_F_PSEUDO_HDR, bpf_fib_lookup as FibParameters},
    helpers::generated::{bpf_fib_lookup, bpf_l4_csum_replace},
    macros::classifier,
    programs::TcContext,
};
use netctl_common::abi::settings_flags;

use crate::{
    apply::IS_IPV6,
    tables::{SKIP_NEIGHBOUR, WITH_SOURCE},
};

#[classifier]
pub fn probe_features(context: TcContext) -> i32 {
    let mut found = 0;
    if takes(&context, WITH_SOURCE) {
        found |= settings_flags::ROUTE_GIVES_SOURCE;
    }
    if takes(&context, SKIP_NEIGHBOUR) {
        found |= settings_flags::ROUTE_SKIPS_NEIGHBOUR;
    }
    let flags = u64::from(BPF_F_PSEUDO_HDR) | IS_IPV6;
    // SAFETY: the context is valid; the helper checks offset and flags.
    if unsafe { bpf_l4_csum_replace(context.as_ptr().cast(), 60, 0, 0, flags) } == 0 {
        found |= settings_flags::CHECKSUM_KNOWS_IPV6;
    }
    found as i32
}

/// Whether a route look-up takes the flag. The loopback interface does not forward, which is an answer; -EINVAL is none.
fn takes(context: &TcContext, flag: u32) -> bool {
    // SAFETY: all bytes zero are a value of the parameters.
    let mut parameters: FibParameters = unsafe { core::mem::zeroed() };
    parameters.family = 2;
    parameters.ifindex = 1;
    let size = size_of::<FibParameters>() as i32;
    // SAFETY: context and parameters are valid for the call.
    unsafe { bpf_fib_lookup(context.as_ptr(), &mut parameters, size, flag) >= 0 }
}
