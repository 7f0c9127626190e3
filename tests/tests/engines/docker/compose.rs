//! docker-compose, as Debian has it.

use std::fs;

use anyhow::{Result, ensure};
use netctl_tests::harness::{Docker, HOST4, Host, wait};

use super::DEADLINE;

const PROJECT: &str = "
version: '2.4'
services:
  web:
    image: busybox
    command: httpd -f -p 80 -h /www
    ports: ['8080:80']
    networks:
      front: {aliases: [site]}
      back: {ipv4_address: 10.9.2.9}
  client:
    image: busybox
    command: sleep 1000
    networks: [back]
networks:
  front:
    driver: netctl
  back:
    driver: netctl
    internal: true
    driver_opts: {com.docker.network.driver.mtu: '1400'}
    ipam:
      driver: netctl
      config: [{subnet: 10.9.2.0/24, gateway: 10.9.2.1}]
";

#[test]
fn a_project_with_two_networks_comes_up_scales_and_goes() -> Result<()> {
    let mut host = Host::new()?;
    let docker = Docker::start(&mut host)?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("docker-compose.yml");
    fs::write(&file, PROJECT)?;
    let compose = |arguments: &[&str]| -> Result<()> {
        let path = file.to_string_lossy();
        let output = docker.compose(&[&["-f", &path, "-p", "shop"], arguments].concat()).output()?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    compose(&["up", "-d"])?;
    ensure!(host.client.sh(&format!("curl -s -m 5 http://{HOST4}:8080/"))?.contains("hello"));
    ensure!(docker.ok(&["exec", "shop_client_1", "wget", "-q", "-O", "-", "http://web/"])?.contains("hello"));
    let ours = ["run", "-d", "--name", "ours", "--network", "shop_front", "--", "sleep", "1000"];
    wait::until(DEADLINE, "names", || Ok(host.ok(&["ps"])?.contains("shop_web_1") && host.netctl(&ours)?.code == 0))?;
    for name in ["web", "site", "shop_web_1"] {
        let page = host.ok(&["exec", "ours", "--", "curl", "-s", "-m", "5", &format!("http://{name}/")])?;
        ensure!(page.contains("hello"), "{name}: {page}");
    }
    host.ok(&["rm", "-f", "ours"])?;
    compose(&["up", "-d", "--scale", "client=3"])?;
    ensure!(host.ok(&["ps", "-q"])?.lines().count() == 4);
    compose(&["restart", "-t", "0"])?;
    ensure!(host.client.sh(&format!("curl -s -m 5 http://{HOST4}:8080/"))?.contains("hello"));
    compose(&["down", "-t", "0"])?;
    ensure!(host.ok(&["ps", "-q"])?.is_empty());
    ensure!(!host.ok(&["network", "ls"])?.contains("shop_"));
    docker.finish(&mut host)?;
    host.finish()
}
