//! The files that a container sees in place of the host's, and those of an attached named namespace.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{Child, Host, Namespace, OwnRun, wait};

use crate::scene::{DEADLINE, LASTING, run};

fn file(host: &Host, container: &str, path: &str) -> Result<String> {
    host.ok(&["exec", container, "--", "cat", path])
}

#[test]
fn hosts_has_every_address_of_the_container_and_the_local_names_of_both_families() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--subnet", "10.7.0.0/24", "--subnet", "fd00:7::/64", "web"])?;
    host.ok(&["network", "create", "--subnet", "10.8.0.0/24", "back"])?;
    run(&host, &["--name", "one", "--hostname", "box", "--network", "web", "--network", "back"], &LASTING)?;
    let local = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n\
                 ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";
    assert_eq!(file(&host, "one", "/etc/hosts")?, format!("{local}10.7.0.2\tbox\nfd00:7::2\tbox\n10.8.0.2\tbox"));
    assert_eq!(file(&host, "one", "/etc/hostname")?, "box");
    host.ok(&["exec", "one", "--", "ping", "-c", "1", "-W", "5", "ip6-localhost"])?;

    run(&host, &["--name", "alone", "--hostname", "box", "--network", "none"], &LASTING)?;
    assert_eq!(file(&host, "alone", "/etc/hosts")?, local.trim_end());
    let found = host.ok(&["exec", "alone", "--", "getent", "hosts", "localhost"])?;
    ensure!(found.starts_with("::1"), "{found}");
    host.finish()
}

/// A name cache's socket that tells of every connection.
const CACHE: &str = r#"
import os, socket, sys
os.makedirs(os.path.dirname(sys.argv[1]), exist_ok=True)
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
server.listen()
print("ready", flush=True)
while True:
    server.accept()[0].close()
    print("asked", flush=True)
"#;

#[test]
fn the_hosts_name_caches_are_not_asked_even_if_they_begin_later() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "web"])?;
    let own = OwnRun::new(&host.host)?;
    let inside = |program: &str, arguments: &[&str]| -> Result<std::process::Command> {
        let mut command = own.command(&host.host, program)?;
        command.args(arguments);
        Ok(command)
    };
    let netctl = |arguments: &[&str]| -> Result<String> {
        let command = host.command(arguments)?;
        let program = command.get_program().to_string_lossy();
        let output = own.command(&host.host, &program)?.args(command.get_args()).output()?;
        ensure!(output.status.success(), "{arguments:?}: {output:?}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    inside("mkdir", &["-p", "/run/nscd", "/run/systemd/resolve"])?.status()?;
    let cache = |path: &str| -> Result<Child> {
        let cache = Child::spawn(&mut inside("python3", &["-c", CACHE, path])?)?;
        wait::until(DEADLINE, "the cache", || Ok(cache.stdout()?.contains("ready")))?;
        Ok(cache)
    };
    let before = cache("/run/nscd/socket")?;
    let lookup = |name: &str| netctl(&["exec", "one", "--", "getent", "ahostsv4", name]);
    netctl(&["run", "-d", "--name", "one", "--network", "web", "--", "sleep", "1000"])?;
    netctl(&["run", "-d", "--name", "two", "--network", "web", "--", "sleep", "1000"])?;
    let two = host.address("two", "web", "IPAddress")?;
    ensure!(lookup("two")?.starts_with(&two));
    ensure!(!before.stdout()?.contains("asked"), "the container asks the host's cache");
    drop(before);

    inside("rm", &["-f", "/run/nscd/socket"])?.status()?;
    let caches = [cache("/run/nscd/socket")?, cache("/run/systemd/resolve/io.systemd.Resolve")?];
    ensure!(lookup("two")?.starts_with(&two));
    ensure!(netctl(&["exec", "one", "--", "ls", "/run/nscd", "/run/systemd/resolve"])?.trim().lines().count() <= 3);
    inside("getent", &["ahostsv4", "two"])?.output()?;
    wait::until(DEADLINE, "the host's own programs to ask it", || Ok(caches[0].stdout()?.contains("asked")))?;
    let asked = caches[0].stdout()?.matches("asked").count();
    ensure!(lookup("two")?.starts_with(&two));
    assert_eq!(caches[0].stdout()?.matches("asked").count(), asked);
    ensure!(!caches[1].stdout()?.contains("asked"));
    host.finish()
}

fn attach<'a>(path: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    [&["attach", "--name", "guest", "--netns", path], options].concat()
}

/// What a command under `ip netns exec` sees.
fn seen(namespace: &Namespace, command: &[&str]) -> Result<String> {
    let mut ip = std::process::Command::new("ip");
    let output = ip.args(["netns", "exec", namespace.name()]).args(command).output()?;
    ensure!(output.status.success(), "{command:?}: {output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn a_named_namespace_has_its_files_until_it_is_detached() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--subnet", "10.7.0.0/24", "web"])?;
    run(&host, &["--name", "one", "--network", "web"], &LASTING)?;
    let other = Namespace::new("other")?;
    let path = other.path().to_string_lossy().into_owned();
    let files = Path::new("/etc/netns").join(other.name());
    let options = ["--network", "web", "--dns-search", "lan", "--add-host", "db:192.0.2.1"];
    for path in [path.clone(), path.replace("/run/", "/var/run/")] {
        host.ok(&attach(&path, &options))?;
        let conf = seen(&other, &["cat", "/etc/resolv.conf"])?;
        ensure!(conf.ends_with("nameserver 10.7.0.1\nsearch lan\noptions ndots:0\n"), "{conf}");
        let one = host.address("one", "web", "IPAddress")?;
        for (name, address) in [("one", one.as_str()), ("db", "192.0.2.1")] {
            let found = seen(&other, &["getent", "ahostsv4", name])?;
            ensure!(found.starts_with(address), "{name}: {found}");
        }
        ensure!(seen(&other, &["cat", "/etc/hosts"])?.contains(&host.address("guest", "web", "IPAddress")?));
        host.ok(&["detach", "guest"])?;
        ensure!(!files.exists(), "{} is left", files.display());
    }
    // A namespace that is deleted takes its files with it.
    host.ok(&attach(&path, &options))?;
    ensure!(files.exists());
    drop(other);
    wait::until(DEADLINE, "the deleted namespace to be noticed", || {
        Ok(host.ok(&["ps", "-a", "-q"])?.lines().count() == 1)
    })?;
    ensure!(!files.exists(), "{} is left", files.display());
    host.finish()
}

#[test]
fn files_of_others_for_a_named_namespace_are_left_alone() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "web"])?;
    let other = Namespace::new("other")?;
    let path = other.path().to_string_lossy().into_owned();
    let files = Path::new("/etc/netns").join(other.name());
    let foreign = "nameserver 192.0.2.53\n";
    let remove = || fs::remove_dir_all(&files).context("the test's own directory");
    fs::create_dir_all(&files)?;
    let ended = (|| -> Result<()> {
        fs::write(files.join("resolv.conf"), foreign)?;
        host.ok(&attach(&path, &["--network", "web"]))?;
        assert_eq!(fs::read_to_string(files.join("resolv.conf"))?, foreign);
        ensure!(fs::read_to_string(files.join("hosts"))?.contains("guest"));
        host.ok(&["detach", "guest"])?;
        assert_eq!(fs::read_to_string(files.join("resolv.conf"))?, foreign);
        assert_eq!(fs::read_dir(&files)?.count(), 1);

        // One that was ours and has been replaced is somebody's.
        host.ok(&attach(&path, &["--network", "web"]))?;
        fs::write(files.join("hosts"), "192.0.2.1 db\n")?;
        host.ok(&["detach", "guest"])?;
        assert_eq!(fs::read_to_string(files.join("hosts"))?, "192.0.2.1 db\n");
        Ok(())
    })();
    remove()?;
    ended?;
    host.finish()
}

#[test]
fn files_follow_connections_in_place_and_keep_what_somebody_has_added() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--subnet", "10.7.0.0/24", "web"])?;
    host.ok(&["network", "create", "--subnet", "10.8.0.0/24", "--subnet", "fd00:8::/64", "back"])?;
    run(&host, &["--name", "one", "--hostname", "box", "--network", "web"], &LASTING)?;
    let inodes = || host.ok(&["exec", "one", "--", "stat", "-c", "%i", "/etc/hosts", "/etc/resolv.conf"]);
    let before = (inodes()?, file(&host, "one", "/etc/hosts")?, file(&host, "one", "/etc/resolv.conf")?);
    host.ok(&["exec", "one", "--", "sh", "-c", "echo '192.0.2.1 mine' >>/etc/hosts"])?;

    host.ok(&["network", "connect", "back", "one"])?;
    let hosts = file(&host, "one", "/etc/hosts")?;
    for line in ["10.7.0.2\tbox", "10.8.0.2\tbox", "fd00:8::2\tbox", "192.0.2.1 mine"] {
        ensure!(hosts.lines().filter(|known| *known == line).count() == 1, "{line} in {hosts}");
    }
    let conf = file(&host, "one", "/etc/resolv.conf")?;
    ensure!(conf.starts_with("nameserver 10.7.0.1\nnameserver 10.8.0.1\nnameserver fd00:8::1\n"), "{conf}");
    host.ok(&["network", "disconnect", "back", "one"])?;
    assert_eq!(file(&host, "one", "/etc/hosts")?, format!("{}\n192.0.2.1 mine", before.1));
    assert_eq!(file(&host, "one", "/etc/resolv.conf")?, before.2);
    assert_eq!(inodes()?, before.0, "rewritten in place");

    // A resolv.conf of somebody's own is theirs, until the next start.
    host.ok(&["exec", "one", "--", "sh", "-c", "echo 'nameserver 192.0.2.53' >/etc/resolv.conf"])?;
    host.ok(&["network", "connect", "back", "one"])?;
    assert_eq!(file(&host, "one", "/etc/resolv.conf")?, "nameserver 192.0.2.53");
    host.ok(&["network", "disconnect", "back", "one"])?;
    host.ok(&["restart", "-t", "0", "one"])?;
    assert_eq!(file(&host, "one", "/etc/resolv.conf")?, before.2);
    ensure!(!file(&host, "one", "/etc/hosts")?.contains("mine"));

    let other = Namespace::new("other")?;
    let path = other.path().to_string_lossy().into_owned();
    host.ok(&attach(&path, &["--network", "web"]))?;
    host.ok(&["network", "connect", "back", "guest"])?;
    let there = host.address("guest", "back", "IPAddress")?;
    ensure!(seen(&other, &["cat", "/etc/hosts"])?.contains(&format!("{there}\tguest")));
    host.ok(&["network", "disconnect", "back", "guest"])?;
    ensure!(!seen(&other, &["cat", "/etc/hosts"])?.contains("10.8.0"));
    host.finish()
}
