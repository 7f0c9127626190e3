//! Networks and containers as Docker's user meets them.

use anyhow::{Result, ensure};
use netctl_tests::harness::{Docker, HOST4, Host};

#[test]
fn a_container_of_dockers_is_on_the_network_and_its_port_is_published() -> Result<()> {
    let mut host = Host::new()?;
    let docker = Docker::start(&mut host)?;
    let id = docker.ok(&["network", "create", "-d", "netctl", "--ipam-driver", "netctl", "n1"])?;
    ensure!(host.ok(&["network", "ls", "--no-trunc"])?.contains(&id));
    docker.run(&["--name", "web", "--network", "n1", "-p", "8080:80"], &["httpd", "-f", "-p", "80", "-h", "/www"])?;
    let page = host.client.sh(&format!("curl -s -m 5 http://{HOST4}:8080/"))?;
    ensure!(page == "hello from a container\n", "{page}");
    docker.ok(&["rm", "-f", "web"])?;
    docker.ok(&["network", "rm", "n1"])?;
    ensure!(!host.ok(&["network", "ls", "--no-trunc"])?.contains(&id));
    docker.finish(&mut host)?;
    host.finish()
}
