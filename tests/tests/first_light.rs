//! The main job, once, with real programs: the shortest test that shows whether netctl works at all.

use netctl_tests::harness::{CLIENT4, HOST4, HOST6, Host};

#[test]
fn a_published_server_is_reached_from_outside_and_by_name() -> anyhow::Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--ipv6", "web"])?;
    let server = ["python3", "-m", "http.server", "80", "--bind", "::", "--directory", "/usr/share/common-licenses"];
    host.ok(
        &[["run", "-d", "--name", "server", "--network", "web", "-p", "8080:80", "--"].as_slice(), &server].concat()
    )?;
    let fetch = |url: &str| {
        format!(
            "curl -s -m 5 --retry 20 --retry-connrefused --retry-delay 0 --retry-max-time 5 -o /dev/null -w '%{{http_code}}' {url}"
        )
    };
    assert_eq!(host.client.sh(&fetch(&format!("http://{HOST4}:8080/")))?, "200");
    assert_eq!(host.client.sh(&fetch(&format!("'http://[{HOST6}]:8080/'")))?, "200");
    let log = host.ok(&["logs", "server"])?;
    assert!(log.contains(CLIENT4), "the server sees the client's own address: {log}");

    let by_name = host.ok(&["run", "--rm", "--network", "web", "--", "sh", "-c", &fetch("http://server/")])?;
    assert_eq!(by_name, "200");
    host.finish()
}
