//! Docker: Debian's dockerd and client, unmodified, with netctl as their network and IPAM driver.

mod calls;
mod compose;
mod doors;
mod killed;
mod names;
mod networks;
mod page;
mod plugin;
mod reboot;
mod restarts;
mod same_words;
mod transfer;

use std::time::Duration;

use anyhow::{Result, ensure};
use netctl_tests::harness::Docker;

/// Long enough for a busy machine; a test that works does not wait for it.
const DEADLINE: Duration = Duration::from_secs(20);

/// A web server of one page.
const SERVER: [&str; 6] = ["httpd", "-f", "-p", "80", "-h", "/www"];

/// `docker network create` with both drivers; the identifier.
fn create(docker: &Docker, options: &[&str], name: &str) -> Result<String> {
    docker.ok(&[&["network", "create", "-d", "netctl", "--ipam-driver", "netctl"], options, &[name]].concat())
}

/// A container's address on a network, as Docker tells it.
fn address(docker: &Docker, container: &str, network: &str) -> Result<String> {
    let format = format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}");
    docker.ok(&["inspect", "--format", &format, container])
}

/// Has Docker begin a container, which has to fail with these words. Docker's own `run` tells it at times and at times does not.
fn does_not_start(docker: &Docker, options: &[&str], words: &str) -> Result<()> {
    docker.ok(&[&["create", "--name", "refused"], options, &["busybox", "true"]].concat())?;
    refused(docker, &["start", "refused"], words)?;
    docker.ok(&["rm", "refused"]).map(drop)
}

/// Runs Docker's client, which has to fail with these words.
fn refused(docker: &Docker, arguments: &[&str], words: &str) -> Result<()> {
    let ended = docker.docker(arguments)?;
    ensure!(ended.code != 0 && ended.stderr.contains(words), "docker {}: {ended:?}", arguments.join(" "));
    Ok(())
}
