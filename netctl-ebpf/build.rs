//! Lets the linker use whole words for headers, which lie at odd multiples of two: the kernels that netctl runs on read
//! them so. A linker without that ability takes them byte by byte.

use std::process::Command;

const FEATURE: &str = "allows-misaligned-mem-access";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let help = Command::new("bpf-linker").arg("--help").output();
    if help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains(FEATURE)) {
        println!("cargo:rustc-link-arg=--cpu-features=+{FEATURE}");
    }
}
