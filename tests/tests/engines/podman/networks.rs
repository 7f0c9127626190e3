//! Podman's own commands on netctl: networks, names, ports.

use anyhow::{Result, ensure};
use netctl_tests::harness::{HOST4, Host, Podman};

use super::scene::fetch;

const SERVER: [&str; 5] = ["httpd", "-f", "-h", "/www", "-vv"];

#[test]
fn a_container_is_on_a_network_with_a_name_and_a_port() -> Result<()> {
    let mut host = Host::new()?;
    let podman = Podman::new(&mut host)?;
    podman.ok(&["network", "create", "n1"])?;
    let id = podman.run(&["--name", "web", "--network", "n1", "-p", "8080:80"], &SERVER)?;
    podman.run_lasting(&["--name", "client", "--network", "n1", "--network-alias", "other"])?;
    for name in ["web", &id[..12]] {
        let pinged = podman.exec("client", &["ping", "-c", "1", "-W", "5", name])?;
        ensure!(pinged.contains("1 packets received"), "{name}: {pinged}");
    }
    ensure!(podman.exec("web", &["nslookup", "other.dns.podman"])?.contains("10.89.0.3"));
    for (from, url) in [(&host.client, HOST4), (&host.host, HOST4), (&host.host, "127.0.0.1")] {
        let page = fetch(from, &format!("http://{url}:8080/"))?;
        ensure!(page == "hello from a container\n", "{url}: {page}");
    }
    ensure!(host.ok(&["ps"])?.contains("podman"), "{}", host.ok(&["ps"])?);
    podman.finish(&mut host)?;
    host.finish()
}
