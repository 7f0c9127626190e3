//! The package on a machine that has none of netctl: what it brings, how it starts, that Docker and Podman find it, and that an upgrade and a
//! removal leave alone what is in use and leave nothing of what is not.
//!
//! `cargo xtask dist` makes the package; `NETCTL_DEB` names another one.

use std::{
    collections::HashSet,
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{HOST4, Host, Machine, wait};

const DEADLINE: Duration = Duration::from_secs(60);

/// Where a package may leave something, less what belongs to apt, to the journal, to the manual's index and to engines.
const FILES: &str = "find /etc /opt /usr /var /run -xdev \\( -path /var/lib/dpkg -o -path /var/log -o -path /var/cache -o \
     -path /var/lib/docker -o -path /run/docker -o -path /var/lib/containerd -o -path /run/containerd -o -path /run/systemd -o -path /run/log -o -path /run/udev \\) -prune -o -print | sort";

/// Docker's image has directories alone: programs are the system's.
const IMAGE: &str =
    "mkdir -p /tmp/image/usr /tmp/image/etc && cd /tmp/image && ln -s usr/bin bin && ln -s usr/lib lib &&
     ln -s usr/lib64 lib64 && tar -c . | docker import - system >/dev/null";

/// What an administrator writes so that Podman's helper is ours; the rest is for a store on an overlay.
const PODMAN: &str = r#"mkdir -p /etc/containers
printf '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n' \
    >/etc/containers/storage.conf
cat >/etc/containers/containers.conf <<END
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
pids_limit = 0
[engine]
helper_binaries_dir = ["/usr/lib/netctl/podman", "/usr/lib/podman"]
runtime = "runc"
[network]
network_backend = "netavark"
END"#;

#[test]
fn the_package_brings_what_its_users_look_for() -> Result<()> {
    let host = Host::new()?;
    let machine = machine(&host)?;
    // As in an image that is being built: no service manager runs.
    let without_systemd = "mount -t tmpfs none /run/systemd; dpkg -i /tmp/netctl.deb; netctl --version; dpkg -P netctl";
    machine.ok(&["unshare", "--mount", "sh", "-ec", without_systemd])?;
    install(&machine)?;
    // It says nothing of what is in order, pages of the manual included.
    let unit = |kind: &str| format!("/usr/lib/systemd/system/netctl.{kind}");
    let complaints = machine.run(&["systemd-analyze", "verify", &unit("socket"), &unit("service")])?;
    ensure!(complaints.code == 0 && !complaints.stderr.contains("netctl"), "{}", complaints.stderr);
    for page in ["netctl", "netctl-run", "netctl-network-create", "netctl-dataplane-unload"] {
        ensure!(machine.ok(&["man", "-w", page])?.ends_with(".1.gz"), "{page}");
    }
    let completed =
        "complete -p netctl && COMP_WORDS=(netctl netw) COMP_CWORD=1 && _netctl netctl netw && echo ${COMPREPLY[@]}";
    let bash = format!("source /usr/share/bash-completion/completions/netctl && {completed}");
    ensure!(machine.ok(&["bash", "-c", &bash])?.ends_with("network"));
    for file in ["/usr/share/zsh/vendor-completions/_netctl", "/usr/share/fish/vendor_completions.d/netctl.fish"] {
        ensure!(fs::read_to_string(machine.path(file))?.contains("dataplane"), "{file}");
    }
    let names = "cd /usr/lib/netctl && ls cni podman && readlink -f cni/* podman/* /usr/lib/cni/netctl /opt/cni/bin/netctl | sort -u";
    let found = machine.sh(names)?;
    for name in
        ["netctl", "bridge", "portmap", "firewall", "tuning", "host-local", "static", "loopback", "dnsname", "netavark"]
    {
        ensure!(found.lines().any(|line| line == name), "{name} is not among {found}");
    }
    ensure!(found.ends_with("\n/usr/bin/netctl") && !found.contains("/usr/lib"), "{found}");
    let versions =
        machine.sh("for plugin in /usr/lib/netctl/cni/*; do CNI_COMMAND=VERSION $plugin </dev/null; done")?;
    ensure!(versions.matches("supportedVersions").count() == 9, "{versions}");
    ensure!(machine.sh("/usr/lib/netctl/podman/netavark version")?.contains("netctl"), "Podman's is netctl");
    ensure!(machine.ok(&["dpkg", "-S", "/usr/lib/cni/bridge"])?.starts_with("containernetworking-plugins:"));
    ensure!(machine.ok(&["dpkg", "--verify", "netctl"])?.is_empty());

    // Installed, it does nothing until somebody asks.
    ensure!(state(&machine)? == "active inactive", "{}", state(&machine)?);
    ensure!(machine.sh("ls -d /sys/fs/bpf/netctl /var/lib/netctl 2>&1 | grep -c 'No such'")? == "2");
    drop(machine);
    host.finish()
}

/// Installs the package once more while Docker begins and removes containers.
const UPGRADE: &str = "{ for i in 1 2 3 4; do docker run --rm --network n1 -p 9099:99 -v /usr:/usr:ro system /usr/bin/true || exit 1; \
     done; } & dpkg --install /tmp/netctl.deb && wait $!";

#[test]
fn docker_finds_the_package_and_an_upgrade_and_a_removal_break_no_connection() -> Result<()> {
    let host = Host::new()?;
    let machine = machine(&host)?;
    machine.ok(&["systemctl", "start", "docker.service"])?;
    let before = machine.sh(FILES)?;
    install(&machine)?;
    let network = ["docker", "network", "create", "-d", "netctl", "--ipam-driver", "netctl", "n1"];
    machine.ok(&network)?;
    ensure!(state(&machine)? == "active active", "{}", state(&machine)?);
    machine.sh(IMAGE)?;
    let system = [
        "docker",
        "run",
        "-d",
        "--name",
        "echo",
        "--restart",
        "always",
        "--network",
        "n1",
        "-p",
        "9090:90",
        "-v",
        "/usr:/usr:ro",
    ];
    let echo = ["system", "/usr/bin/socat", "TCP4-LISTEN:90,fork,reuseaddr", "EXEC:cat"];
    machine.ok(&[system.as_slice(), &echo].concat())?;
    let mut connection = connect(&host)?;
    // The name is Docker's, which tells it by its own socket and not by its plugin's.
    let is_named = || Ok(machine.ok(&["netctl", "port", "echo"]).is_ok_and(|ports| ports == "90/tcp -> 0.0.0.0:9090"));
    wait::until(DEADLINE, "netctl to know Docker's name of the container", is_named)?;

    let old = machine.ok(&["systemctl", "show", "--property=MainPID", "netctl.service"])?;
    machine.sh(UPGRADE)?;
    let new = machine.ok(&["systemctl", "show", "--property=MainPID", "netctl.service"])?;
    ensure!(old != new && state(&machine)? == "active active", "{old}, {new}, {}", state(&machine)?);
    answers(&mut connection).context("after the upgrade")?;
    connect(&host).context("after the upgrade")?;

    machine.ok(&["systemctl", "kill", "--kill-whom=main", "--signal=KILL", "netctl.service"])?;
    machine.ok(&["docker", "network", "create", "-d", "netctl", "n2"])?;
    machine.ok(&["docker", "run", "--rm", "--network", "n2", "-v", "/usr:/usr:ro", "system", "/usr/bin/true"])?;
    machine.ok(&["docker", "network", "rm", "n2"])?;
    answers(&mut connection).context("after a crash")?;
    // As after a boot: Docker asks for its containers' networks while it starts, and nothing of netctl runs yet.
    machine.ok(&["systemctl", "stop", "docker.service", "netctl.service"])?;
    machine.ok(&["systemctl", "start", "docker.service"])?;
    let mut connection = connect(&host).context("after Docker's start")?;
    ensure!(state(&machine)? == "active active", "{}", state(&machine)?);

    let removed = machine.run(&["dpkg", "--remove", "netctl"])?;
    ensure!(removed.code == 0 && removed.stderr.contains("stays in the kernel"), "{removed:?}");
    answers(&mut connection).context("after a removal")?;
    connect(&host).context("after a removal")?;
    install(&machine)?;
    ensure!(machine.ok(&["netctl", "ps"])?.contains("0.0.0.0:9090->90/tcp"));
    answers(&mut connection).context("after another installation")?;

    machine.ok(&["docker", "rm", "-f", "echo"])?;
    machine.ok(&["docker", "network", "rm", "n1"])?;
    // Names, and with them a `serve` that no unit has started.
    machine.ok(&["systemctl", "stop", "netctl.service"])?;
    machine.ok(&["netctl", "network", "create", "web"])?;
    machine.ok(&["netctl", "run", "-d", "--rm", "--network", "web", "--", "true"])?;
    wait::until(DEADLINE, "the container to end", || Ok(machine.ok(&["netctl", "ps", "-aq"])?.is_empty()))?;
    let removed = machine.run(&["dpkg", "--remove", "netctl"])?;
    ensure!(removed.code == 0 && !removed.stderr.contains("netctl:"), "{removed:?}");
    let left = "ip -o link | grep -E ': nc|netctl' || true; ip rule | grep 'proto 110' || true
         ls -d /sys/fs/bpf/netctl /run/netctl /run/docker/plugins/* /etc/netns/* 2>/dev/null || true
         pidof netctl || true; cat /proc/sys/net/ipv4/ip_local_reserved_ports | grep . || true";
    wait::until(DEADLINE, "nothing to be left", || Ok(machine.sh(left)?.is_empty()))
        .with_context(|| machine.sh(left).unwrap_or_default())?;
    ensure!(machine.path("/var/lib/netctl/state.db").exists(), "networks are forgotten by a purge alone");
    machine.ok(&["dpkg", "--purge", "netctl"])?;
    let after = machine.sh(FILES)?;
    let known: HashSet<&str> = before.lines().collect();
    let further: Vec<&str> = after.lines().filter(|file| !known.contains(file)).collect();
    ensure!(further.is_empty(), "left: {further:?}");
    drop(machine);
    host.finish()
}

#[test]
fn podman_and_docker_share_a_network_of_the_package() -> Result<()> {
    let host = Host::new()?;
    let machine = machine(&host)?;
    install(&machine)?;
    machine.ok(&["systemctl", "start", "docker.service"])?;
    machine.sh(IMAGE)?;
    machine.sh(PODMAN)?;
    machine.ok(&["netctl", "network", "create", "web"])?;
    let joins = ["-o", "netctl.network=web", "--ipam-opt", "netctl.network=web"];
    machine.ok(&[
        ["docker", "network", "create", "-d", "netctl", "--ipam-driver", "netctl"].as_slice(),
        &joins,
        &["web"],
    ]
    .concat())?;
    let sleeps = ["-v", "/usr:/usr:ro", "system", "/usr/bin/sleep", "1000"];
    machine.ok(&[["docker", "run", "-d", "--name", "whale", "--network", "web"].as_slice(), &sleeps].concat())?;
    machine.ok(&["podman", "network", "create", "--ipam-driver", "none", "--label", "netctl.network=web", "web"])?;
    let seal = ["podman", "run", "-d", "--name", "seal", "--network", "web", "-v", "/usr:/usr:ro"];
    machine.ok(&[seal.as_slice(), &["--rootfs", "/tmp/image", "/usr/bin/sleep", "1000"]].concat())?;
    let rows = machine.ok(&["netctl", "ps"])?;
    for (name, engine) in [("whale", "docker"), ("seal", "podman")] {
        let row = rows.lines().find(|row| row.contains(name)).with_context(|| format!("{name} in {rows}"))?;
        ensure!(row.contains(engine) && row.contains("web"), "{row}");
    }
    let addresses = machine.ok(&["podman", "exec", "seal", "/usr/bin/getent", "hosts", "whale"])?;
    ensure!(addresses.contains("whale"), "{addresses}");
    machine.ok(&["netctl", "run", "--rm", "--network", "web", "--", "ping", "-c", "1", "-W", "5", "seal"])?;

    machine.ok(&["podman", "rm", "-f", "-t", "0", "seal"])?;
    machine.ok(&["docker", "rm", "-f", "whale"])?;
    machine.ok(&["docker", "network", "rm", "web"])?;
    machine.ok(&["netctl", "network", "rm", "web"])?;
    machine.ok(&["dpkg", "--purge", "netctl"])?;
    drop(machine);
    host.finish()
}

/// A machine on the host's network, and the package in its /tmp.
fn machine(host: &Host) -> Result<Machine> {
    let package = std::env::var_os("NETCTL_DEB").map(PathBuf::from);
    let built = || {
        let own = std::env::current_exe().ok()?;
        own.ancestors().nth(3).map(|target| target.join("debian/netctl.deb"))
    };
    let package = package.or_else(built).context("where the package is")?;
    let machine = Machine::boot(&host.host)?;
    fs::copy(&package, machine.path("/tmp/netctl.deb"))
        .with_context(|| format!("{}: cargo xtask dist makes it, or set NETCTL_DEB", package.display()))?;
    Ok(machine)
}

fn install(machine: &Machine) -> Result<()> {
    machine.ok(&["dpkg", "--install", "/tmp/netctl.deb"]).map(drop)
}

/// Of the socket and of the service.
fn state(machine: &Machine) -> Result<String> {
    let ended = machine.run(&["systemctl", "is-active", "netctl.socket", "netctl.service"])?;
    Ok(ended.stdout.trim_end().replace('\n', " "))
}

/// A connection from outside to the container, which has answered.
fn connect(host: &Host) -> Result<TcpStream> {
    let mut connection = None;
    wait::until(DEADLINE, "the container to answer", || {
        let Ok(mut stream) = host.client.inside(|| TcpStream::connect((HOST4, 9090)))? else {
            return Ok(false);
        };
        let is_answered = answers(&mut stream).is_ok();
        connection = Some(stream);
        Ok(is_answered)
    })?;
    connection.context("a connection")
}

fn answers(connection: &mut TcpStream) -> Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(10)))?;
    connection.write_all(b"hello")?;
    let mut answer = [0; 5];
    connection.read_exact(&mut answer)?;
    ensure!(&answer == b"hello", "{answer:?}");
    Ok(())
}
