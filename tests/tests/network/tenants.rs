//! An address that changes hands: who knew its old owner reaches the new one at once.

use anyhow::{Result, ensure};
use netctl_tests::harness::Host;

use crate::scene::{LASTING, run};

#[test]
fn a_neighbours_old_entry_leads_to_the_new_tenant_of_an_address() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--subnet", "10.7.0.0/24", "--subnet", "fd00:7::/64", "web"])?;
    let begin = |name: &str| run(&host, &["--name", name, "--network", "name=web,ip=10.7.0.9,ip6=fd00:7::9"], &LASTING);
    let pings = |address: &str| {
        let ended = host.netctl(&["exec", "client", "--", "ping", "-c", "1", "-W", "2", address])?;
        ensure!(ended.code == 0, "{address}: {}", ended.stdout);
        host.ok(&["exec", "client", "--", "ip", "neigh", "show", address])
    };
    run(&host, &["--name", "client", "--network", "web"], &LASTING)?;
    begin("old")?;
    let old = host.address("old", "web", "MacAddress")?;
    for address in ["10.7.0.9", "fd00:7::9"] {
        ensure!(pings(address)?.contains(&old), "it is known by its own MAC");
    }
    host.ok(&["rm", "-f", "old"])?;
    begin("new")?;
    ensure!(host.address("new", "web", "MacAddress")? != old);
    for address in ["10.7.0.9", "fd00:7::9"] {
        pings(address)?;
    }
    host.finish()
}
