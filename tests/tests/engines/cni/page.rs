//! docs/engines/cni.md, run: each command of each block in its order, and what it prints beside what the page says.

use std::path::Path;

use anyhow::{Result, ensure};
use netctl_tests::harness::{Containerd, Host, page::steps};
use serde_json::json;

const PAGE: &str = include_str!("../../../../docs/engines/cni.md");

/// Puts in place what the package brings, and takes away what the page itself makes.
const PACKAGE: &str = r#"
    mkdir -p "$1/usr" "$1/work"
    mount -t overlay overlay -o "lowerdir=/usr,upperdir=$1/usr,workdir=$1/work" /usr
    ln -sf "$2" /usr/bin/netctl
    mkdir -p /usr/lib/netctl/cni
    cp -a "$1"/plugins/* /usr/lib/netctl/cni/
    rm /opt/cni/bin
    mkdir /opt/cni/bin
    ln -s /usr/bin/netctl /opt/cni/bin/netctl
    rm /etc/cni/net.d/*"#;

/// ctr begins containers in this control group, which outlives them.
const GROUP: &str = "default";

#[test]
fn the_page_of_cni_is_as_it_says() -> Result<()> {
    let had_group = Path::new("/sys/fs/cgroup").join(GROUP).exists();
    let mut host = Host::new()?;
    let nothing = json!({ "cniVersion": "1.0.0", "name": "nothing", "plugins": [{ "type": "netctl" }] });
    let containerd = Containerd::start(&mut host, &nothing)?;
    containerd.enclosure().hide("/srv")?;
    // The kernel takes no layer of an overlay that lies on another one.
    let tmpfs = Path::new("/srv/package");
    let program = netctl_tests::harness::program()?;
    let script = format!("mkdir -p {0}; cp -a \"$1/plugins\" {0}/; set -- {0} \"$2\"; {PACKAGE}", tmpfs.display());
    let directory = containerd.enclosure().directory();
    let placed = containerd.within("sh").args(["-ec", &script, "sh"]).arg(directory).arg(&program).output()?;
    ensure!(placed.status.success(), "{placed:?}");

    let steps = steps(PAGE);
    ensure!(steps.len() > 25, "{} commands are no page", steps.len());
    for step in &steps {
        let script = format!("exec 2>&1; {}", step.command);
        let output = containerd.within("sh").args(["-c", &script]).output()?;
        step.check("docs/engines/cni.md", &output)?;
    }
    containerd.finish(&mut host);
    if !had_group {
        netctl_tests::harness::enclosure::remove_groups(GROUP)?;
    }
    host.finish()
}
