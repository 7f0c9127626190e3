//! A program that does nothing, made of two instructions: what BPF_PROG_TEST_RUN costs by itself. Loaded by hand, for no compiler
//! makes so little.

use std::os::fd::AsRawFd;
use std::os::fd::{FromRawFd, OwnedFd};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;

/// Commands and the program's type (linux/bpf.h).
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_PROG_TEST_RUN: libc::c_int = 10;
const BPF_PROG_TYPE_SCHED_CLS: u32 = 3;

/// `r0 = 0; exit`.
const NOTHING: [u64; 2] = [0xb7, 0x95];

/// A loaded program.
#[derive(Debug)]
pub struct EmptyProgram(OwnedFd);

/// The beginning of `union bpf_attr` for BPF_PROG_LOAD.
#[repr(C)]
struct Load {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    rest: [u64; 12],
}

/// The beginning of `union bpf_attr` for BPF_PROG_TEST_RUN.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: u32,
    value: u32,
    size_in: u32,
    size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    rest: [u64; 4],
}

impl EmptyProgram {
    /// Loads it.
    ///
    /// # Errors
    /// Without the privilege.
    pub fn load() -> Result<Self> {
        let mut attributes = Load {
            program_type: BPF_PROG_TYPE_SCHED_CLS,
            instruction_count: 2,
            instructions: NOTHING.as_ptr() as u64,
            license: c"GPL".as_ptr() as u64,
            rest: [0; 12],
        };
        let descriptor = bpf(BPF_PROG_LOAD, &mut attributes).context("loading the empty program")?;
        // SAFETY: the kernel has just given it to us.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// Nanoseconds a run on a packet, over `repeat` runs.
    ///
    /// # Errors
    /// When the kernel refuses the packet.
    pub fn time(&self, packet: &[u8], repeat: u32) -> Result<u64> {
        let mut attributes = TestRun {
            program: self.0.as_raw_fd().cast_unsigned(),
            size_in: u32::try_from(packet.len())?,
            data_in: packet.as_ptr() as u64,
            repeat,
            ..TestRun::default()
        };
        bpf(BPF_PROG_TEST_RUN, &mut attributes).context("running the empty program")?;
        Ok(attributes.duration.into())
    }
}

fn bpf<T>(command: libc::c_int, attributes: &mut T) -> Result<libc::c_int> {
    // SAFETY: the attributes are of the size that is told, and what they point to outlives the call.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    Ok(libc::c_int::try_from(Errno::result(answer)?)?)
}
