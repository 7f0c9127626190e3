//! The programs of the data plane, and nothing of their decisions: those are `netctl_common::datapath`.

#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod apply;
mod atomic;
mod family_maps;
mod hints;
mod host_maps;
mod io;
mod link;
mod maps;
mod programs;
mod stages;
mod tables;
mod verdict;

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
