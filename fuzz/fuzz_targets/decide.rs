//! Arbitrary bytes at every hook: no packet may make the decision core panic. Run with `cargo fuzz run decide`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netctl_common::testkit::{Hook, Host, World};

fuzz_target!(|packet: &[u8]| {
    let host = Host::new(&World::new());
    for hook in [Hook::Uplink, Hook::Container(1), Hook::Container(2), Hook::Container(4)] {
        host.send(hook, packet);
    }
});
