//! What several tests of this suite set up and look at. Not the tests.

use std::{fs::Permissions, os::unix::fs::PermissionsExt, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{Child, Host, Namespace, wait};
use tempfile::TempDir;

/// Long enough for a busy machine; a test that works does not wait for it.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A web server on port 80 of both families.
pub const SERVER: [&str; 8] =
    ["python3", "-m", "http.server", "80", "--bind", "::", "--directory", "/usr/share/common-licenses"];

/// A command that lasts until it is ended.
pub const LASTING: [&str; 2] = ["sleep", "1000"];

/// Arguments in one list.
pub fn words<'a>(parts: &[&[&'a str]]) -> Vec<&'a str> {
    parts.concat()
}

/// Begins a container in the background; its identifier.
pub fn run(host: &Host, options: &[&str], command: &[&str]) -> Result<String> {
    host.ok(&words(&[&["run", "-d"], options, &["--"], command]))
}

/// Fetches a page, from a server that may still be starting.
pub fn fetch(from: &Namespace, url: &str) -> Result<()> {
    let script = format!(
        "curl -s -g -m 5 --retry 40 --retry-all-errors --retry-delay 0 --retry-max-time 10 -o /dev/null -w '%{{http_code}}' '{url}'"
    );
    let code = from.sh(&script)?;
    ensure!(code == "200", "{url} answered {code}");
    Ok(())
}

/// All that a refused command must leave as it was: networks, containers, links and routing rules.
pub fn picture(host: &Host) -> Result<String> {
    let networks = host.ok(&["network", "ls", "--no-trunc", "--json"])?;
    let containers = host.ok(&["ps", "-a", "--json"])?;
    // Without the operational state, which the kernel settles a moment later.
    let links = "ip -o link | sed -E 's/<[^>]*>|state [A-Z]+|qdisc [a-z]+//g'";
    let kernel =
        host.host.sh(&format!("{links}; ip rule; ip -6 rule; cat /proc/sys/net/ipv4/ip_local_reserved_ports"))?;
    Ok([networks, containers, kernel].join("\n"))
}

/// Runs a command that has to be refused in one sentence and to change nothing.
pub fn refuses(host: &Host, arguments: &[&str], code: i32, sentence: &str) -> Result<()> {
    let before = picture(host)?;
    let ended = host.netctl(arguments)?;
    ended.refused(code, sentence).with_context(|| arguments.join(" "))?;
    ensure!(ended.stderr.trim_end().lines().count() == 1, "{arguments:?}: more than one sentence: {}", ended.stderr);
    let after = picture(host)?;
    ensure!(before == after, "{arguments:?} has changed\n{before}\nto\n{after}");
    Ok(())
}

/// A copy of netctl that everybody may run, wherever the one under test lies.
pub fn public_copy(host: &Host) -> Result<(TempDir, String)> {
    let directory = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir()?;
    let path = directory.path().join("netctl");
    // Another test may fork while a file is open for writing here, and nobody can execute it until that fork is done: so
    // another process writes it.
    let copied =
        Command::new("cp").arg(host.command(&[])?.get_program()).arg(&path).status().context("copying netctl")?;
    ensure!(copied.success(), "cp ended with {copied}");
    Ok((directory, path.to_string_lossy().into_owned()))
}

/// A netctl command that another program begins: `wrapper` ends with what takes a command.
pub fn wrapped(host: &Host, wrapper: &[&str], arguments: &[&str]) -> Result<Command> {
    let inner = host.command(arguments)?;
    let (program, rest) = wrapper.split_first().context("a wrapper")?;
    let mut command = host.host.command(program)?;
    command.args(rest).arg(inner.get_program()).args(inner.get_args());
    Ok(command)
}

/// A server of pages in a namespace that no command of ours has made.
pub fn foreign_server(namespace: &Namespace) -> Result<Child> {
    let [program, arguments @ ..] = SERVER;
    let server = Child::spawn(namespace.command(program)?.args(arguments))?;
    wait::until(DEADLINE, "the server to listen", || Ok(namespace.sh("ss -Hltn 'sport = 80'")?.contains(":80")))?;
    Ok(server)
}

/// Whether a process is there and has not ended.
pub fn is_running(pid: i64) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap_or_default();
    let state = status.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().next());
    state.is_some_and(|state| !["Z", "X"].contains(&state))
}

/// The pid of a container's command.
pub fn pid(host: &Host, container: &str) -> Result<i64> {
    let shape = host.json(&["inspect", container])?;
    shape.pointer("/0/State/Pid").and_then(serde_json::Value::as_i64).context("a pid")
}

/// Waits until a container is in that state, as `ps -a` shows it.
pub fn wait_for_status(host: &Host, container: &str, status: &str) -> Result<()> {
    wait::until(DEADLINE, &format!("{container} to be {status}"), || {
        let rows = host.json(&["ps", "-a", "--json"])?;
        let mut rows = rows.as_array().into_iter().flatten();
        Ok(rows.any(|row| row["Name"] == container && row["Status"] == status))
    })
}
