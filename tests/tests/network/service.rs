//! `serve` under a service manager: it tells when it answers and when it ends. Not the units, which the package brings.

use std::{os::unix::net::UnixDatagram, os::unix::net::UnixStream, time::Duration};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{Child, Host};

#[test]
fn the_service_manager_is_told_when_serve_answers_and_when_it_ends() -> Result<()> {
    let host = Host::new()?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path)?;
    manager.set_read_timeout(Some(Duration::from_secs(20)))?;
    let hears = |word: &str| -> Result<()> {
        let mut bytes = [0; 256];
        let length = manager.recv(&mut bytes).with_context(|| format!("waiting for {word}"))?;
        let said = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default());
        ensure!(said.trim_end() == word, "wanted {word}, heard {said}");
        Ok(())
    };
    let mut serve = Child::spawn(host.command(&["serve"])?.env("NOTIFY_SOCKET", &path))?;
    hears("READY=1")?;
    UnixStream::connect(host.run_dir().join("serve.sock")).context("it does not answer yet")?;
    ensure!(serve.stop()?.success(), "{}", serve.stderr()?);
    hears("STOPPING=1")?;

    // One that a command begins inside somebody's unit is not that unit.
    ensure!(host.command(&["run", "--rm", "--", "true"])?.env("NOTIFY_SOCKET", &path).status()?.success());
    host.finish()?;
    manager.set_nonblocking(true)?;
    ensure!(manager.recv(&mut [0; 8]).is_err(), "a command's serve has told the manager something");
    Ok(())
}
