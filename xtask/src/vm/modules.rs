//! Finds the modules netctl needs in an unpacked kernel package, with those they depend on. The package has no
//! `modules.dep` (its installation would write one), so what a module depends on is read from the module itself. It
//! loads nothing.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::programs;

/// What netctl's links and programs need, and its tests' foreign ones. Names have `_` here, never `-`.
const NEEDED: &[&str] = &["veth", "bridge", "dummy", "sch_ingress", "cls_bpf"];

/// Where the modules are that were not left out because the kernel has them built in, each after its dependencies.
/// Compressed ones are unpacked into `plain`.
///
/// # Errors
/// If a module is neither in `tree`, which is `/lib/modules/RELEASE` of the package, nor built in.
pub fn in_loading_order(tree: &Path, plain: &Path, busybox: &Path) -> anyhow::Result<Vec<PathBuf>> {
    fs::create_dir_all(plain)?;
    let mut search = Search {
        packaged: HashMap::new(),
        built_in: fs::read_to_string(tree.join("modules.builtin")).context("reading modules.builtin")?,
        plain,
        busybox,
        ordered: Vec::new(),
    };
    search.index(&tree.join("kernel"))?;
    for name in NEEDED {
        search.add(name)?;
    }
    Ok(search.ordered)
}

struct Search<'a> {
    packaged: HashMap<String, PathBuf>,
    /// A path a line, such as `kernel/net/unix/unix.ko`.
    built_in: String,
    plain: &'a Path,
    busybox: &'a Path,
    ordered: Vec<PathBuf>,
}

impl Search<'_> {
    fn index(&mut self, directory: &Path) -> anyhow::Result<()> {
        for entry in fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                self.index(&path)?;
            } else if let Some(name) = module_name(&path) {
                self.packaged.insert(name, path);
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str) -> anyhow::Result<()> {
        let Some(packaged) = self.packaged.get(name) else {
            let mut built_in = self.built_in.lines().filter_map(|line| module_name(Path::new(line)));
            if built_in.any(|built_in| built_in == name) {
                return Ok(());
            }
            bail!("the kernel has no module {name}");
        };
        let module = self.uncompressed(name, packaged)?;
        if self.ordered.contains(&module) {
            return Ok(());
        }
        let content = fs::read(&module)?;
        let depends = dependencies(&content).with_context(|| format!("{} is no module", module.display()))?;
        for dependency in depends.split(',').filter(|dependency| !dependency.is_empty()) {
            self.add(&dependency.replace('-', "_"))?;
        }
        self.ordered.push(module);
        Ok(())
    }

    fn uncompressed(&self, name: &str, packaged: &Path) -> anyhow::Result<PathBuf> {
        if packaged.extension().is_some_and(|extension| extension == "ko") {
            return Ok(packaged.to_owned());
        }
        let module = self.plain.join(format!("{name}.ko"));
        if !module.exists() {
            // The busybox of the guest, so that the host needs no program for the format.
            let mut busybox = Command::new(self.busybox);
            busybox.args(["xz", "-dc"]).arg(packaged);
            let output = programs::output_of(&mut busybox, "busybox-static")?;
            if !output.status.success() {
                bail!("{busybox:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
            }
            let part = self.plain.join(format!("{name}.part-{}", std::process::id()));
            fs::write(&part, output.stdout)?;
            fs::rename(&part, &module)?;
        }
        Ok(module)
    }
}

/// `a-b` for `x/a-b.ko` and `x/a-b.ko.xz`, with the dash that file names have made the underscore that names have.
fn module_name(path: &Path) -> Option<String> {
    let file_name = path.file_name()?.to_str()?;
    let (name, _) = file_name.split_once(".ko")?;
    Some(name.replace('-', "_"))
}

/// The names of the modules a module depends on, with commas between them, from its `.modinfo` section: NUL-terminated
/// `key=value` strings, of which every module has this one (`scripts/mod/modpost.c` in the kernel).
fn dependencies(module: &[u8]) -> Option<&str> {
    const KEY: &[u8] = b"\0depends=";
    let key = module.windows(KEY.len()).position(|window| window == KEY)?;
    let value = module.get(key + KEY.len()..)?;
    let end = value.iter().position(|&byte| byte == 0)?;
    str::from_utf8(value.get(..end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_from_modinfo() {
        assert_eq!(dependencies(b"license=GPL\0depends=llc,stp\0retpoline=Y\0"), Some("llc,stp"));
        assert_eq!(dependencies(b"license=GPL\0depends=\0retpoline=Y\0"), Some(""));
        assert_eq!(dependencies(b"license=GPL\0"), None);
    }

    #[test]
    fn a_module_has_the_same_name_compressed_or_not() {
        assert_eq!(module_name(Path::new("net/br-x.ko")).as_deref(), Some("br_x"));
        assert_eq!(module_name(Path::new("net/br-x.ko.xz")).as_deref(), Some("br_x"));
        assert_eq!(module_name(Path::new("modules.order")), None);
    }
}
