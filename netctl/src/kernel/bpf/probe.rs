//! What this kernel can do, found out by doing it.

use std::path::Path;

use aya::{
    Ebpf, TestRun,
    programs::{SchedClassifier, TestRunOptions},
};
use netctl_common::abi::settings_flags;
use nix::{errno::Errno, libc};

use crate::kernel::{KernelError, Result};

/// Refuses a kernel that lacks what the programs need.
pub fn requirements() -> Result<()> {
    if !has_ebpf() {
        return Err(KernelError::MissingFeature {
            feature: "bpf system call",
            cure: "boot one built with CONFIG_BPF_SYSCALL, and run netctl where no seccomp filter forbids the call",
        });
    }
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        return Err(KernelError::MissingFeature {
            feature: "BTF (/sys/kernel/btf/vmlinux)",
            cure: "boot one built with CONFIG_DEBUG_INFO_BTF, as all distributions' since 2021 are",
        });
    }
    Ok(())
}

/// An empty request is refused in one way where the call is known, and in another where it is not.
fn has_ebpf() -> bool {
    // SAFETY: with a length of 0 nothing is read or written.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, 0, std::ptr::null::<u8>(), 0) };
    answer >= 0 || Errno::last() != Errno::ENOSYS
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
