//! What this kernel can do, found out by doing it.

use std::path::Path;

use aya::{
    Ebpf, TestRun,
    programs::{SchedClassifier, TestRunOptions},
};
use netctl_common::abi::settings_flags;

use crate::kernel::{KernelError, Result};

/// Refuses a kernel that lacks what the programs need.
pub fn requirements() -> Result<()> {
    if !Path::new("/sys/kernel/btf/vmlinux").exists() && std::env::var_os("NETCTL_ASSUME_BTF").is_none() {
        return Err(KernelError::MissingFeature {
            feature: "BTF (/sys/kernel/btf/vmlinux)",
            cure: "boot one built with CONFIG_DEBUG_INFO_BTF, as all distributions' since 2021 are",
        });
    }
    Ok(())
}

/// The optional helpers' flags that this kernel takes, as bits of `settings_flags`.
pub fn flags(object: &mut Ebpf) -> Result<u32> {
    const PROGRAM: &str = "probe_features";
    let failed = |source: aya::programs::ProgramError| KernelError::Program {
        action: "run",
        program: PROGRAM,
        source: Box::new(source),
    };
    let Some(program) = object.program_mut(PROGRAM) else {
        return Ok(0);
    };
    let program: &mut SchedClassifier = program.try_into().map_err(failed)?;
    program.load().map_err(failed)?;
    // An IPv6 UDP packet, so that the checksum helper has something to work on.
    let packet = [0_u8; 128];
    let options = TestRunOptions { data_in: Some(&packet), ..TestRunOptions::new() };
    let found = program.test_run(options).map_err(failed)?.return_value;
    let known = settings_flags::ROUTE_GIVES_SOURCE
        | settings_flags::ROUTE_SKIPS_NEIGHBOUR
        | settings_flags::CHECKSUM_KNOWS_IPV6;
    Ok(found & known)
}
