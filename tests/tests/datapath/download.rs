//! A gigabyte through a published port, with the interfaces' offloads on and off: every byte arrives as it was sent.

use std::time::Instant;

use anyhow::{Result, ensure};
use netctl_tests::harness::{HOST4, HOST6, Host};

use crate::{
    counters::{Drops, drops},
    survival::web_server,
    topology::network,
};

const OFFLOADS: [&str; 5] = ["tso", "gso", "gro", "tx", "rx"];

#[test]
fn a_gigabyte_arrives_whole_with_and_without_offloads() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let directory = tempfile::tempdir_in("/dev/shm")?;
    let path = directory.path().display().to_string();
    let make = format!(
        "cd {path}; head -c 64M /dev/urandom >piece; for i in $(seq 16); do cat piece; done >file; rm piece; sha256sum <file"
    );
    let expected = host.host.sh(&make)?;
    let server = web_server(&host, directory.path())?;
    for offloads in ["on", "off"] {
        let settings = OFFLOADS.map(|name| format!("{name} {offloads}")).join(" ");
        host.host.sh(&format!("ethtool -K uplink {settings}"))?;
        host.client.sh(&format!("ethtool -K outside {settings}"))?;
        server.exec(&["sh", "-c", &format!("ethtool -K eth0 {settings}")])?;
        for url in [format!("http://{HOST4}:8080/file"), format!("http://[{HOST6}]:8080/file")] {
            let (before, packets, begun) = (server.stat("tx_bytes")?, server.stat("tx_packets")?, Instant::now());
            let got = host.client.sh(&format!("curl -sS -g -f -m 300 '{url}' | sha256sum"))?;
            assert_eq!(got, expected, "{url} with offloads {offloads}");
            let (bytes, packets) = (server.stat("tx_bytes")? - before, server.stat("tx_packets")? - packets);
            ensure!(bytes > 1 << 30, "{bytes} bytes passed the programs");
            let size = bytes / packets;
            ensure!((size > 1600) == (offloads == "on"), "packets of {size} bytes with offloads {offloads}");
            println!("{url}, offloads {offloads}: {packets} packets of {size} bytes in {:?}", begun.elapsed());
        }
    }
    assert_eq!(drops(&host, Some("server"))?, Drops::new());
    assert_eq!(server.stat("connections")?, 4);
    host.finish()
}
