//! What several tests of the CNI door set up and look at. Not the tests.

#![expect(clippy::indexing_slicing, reason = "a field that is not there is null, which fails the test")]

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{Child, Cni, Namespace, wait};
use serde_json::Value;

/// Long enough for a busy machine; a test that works does not wait for it.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A web server on port 80 of both families.
pub fn server(netns: &Namespace) -> Result<Child> {
    let mut command = netns.command("python3")?;
    command.args(["-m", "http.server", "80", "--bind", "::", "--directory", "/usr/share/common-licenses"]);
    let server = Child::spawn(&mut command)?;
    wait::until(DEADLINE, "the server to listen", || Ok(netns.sh("ss -Hltn 'sport = 80'")?.contains(":80")))?;
    Ok(server)
}

/// Fetches a page.
pub fn fetch(from: &Namespace, url: &str) -> Result<()> {
    let code = from.sh(&format!("curl -s -g -m 10 -o /dev/null -w '%{{http_code}}' '{url}' || true"))?;
    ensure!(code == "200", "{url} answered {code}");
    Ok(())
}

/// An address of a result, without its prefix length.
pub fn address(result: &Value, place: usize) -> Result<String> {
    let text = result["ips"][place]["address"].as_str().with_context(|| format!("address {place} of {result}"))?;
    Ok(text.split('/').next().unwrap_or_default().to_owned())
}

/// Addresses that `host-local` holds.
pub fn reservations(cni: &Cni<'_>, network: &str) -> Result<Vec<String>> {
    let directory = cni.directory().join("addresses").join(network);
    let names = fs::read_dir(&directory).with_context(|| directory.display().to_string())?;
    let names = names.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names: Vec<String> = names.collect::<Result<_>>()?;
    Ok(names.into_iter().filter(|name| name.parse::<std::net::IpAddr>().is_ok()).collect())
}
