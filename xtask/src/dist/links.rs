//! The names by which engines call netctl, as links to it: in directories of its own, so that nothing of other packages is hidden
//! until somebody says so, and by its own name where runtimes look.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::Context as _;

/// What links in `/usr/lib/netctl/*` lead to.
const BINARY: &str = "../../../bin/netctl";

/// For CNI runtimes whose directory of plugins is changed to this one.
const CNI: [&str; 9] =
    ["netctl", "bridge", "portmap", "firewall", "tuning", "host-local", "static", "loopback", "dnsname"];

/// For Podman's `helper_binaries_dir`.
const PODMAN: [&str; 1] = ["netavark"];

/// Where runtimes look that nobody has told anything, and what the link there leads to.
const BESIDE: [(&str, &str); 2] = [("usr-lib-cni", "../../bin/netctl"), ("opt-cni-bin", "../../../usr/bin/netctl")];

/// Makes them beneath a directory that is not there.
pub fn make(directory: &Path) -> anyhow::Result<()> {
    let own = [("cni", &CNI[..]), ("podman", &PODMAN[..])];
    let own = own.into_iter().flat_map(|(place, names)| names.iter().map(move |name| (place, *name, BINARY)));
    for (place, name, to) in own.chain(BESIDE.map(|(place, to)| (place, "netctl", to))) {
        let place = directory.join(place);
        fs::create_dir_all(&place).with_context(|| format!("making {}", place.display()))?;
        symlink(to, place.join(name)).with_context(|| format!("linking {name}"))?;
    }
    Ok(())
}
