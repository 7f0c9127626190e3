//! Collects what the guest has in its file system: busybox, the host's shell, the modules, `/init`, the files asked for
//! and the shared libraries of all these. It is no distribution: there is no package manager, no service, no user but
//! root, and, as the root is an initramfs, no `pivot_root`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use super::{Guest, newc};
use crate::programs;

const INIT: &str = include_str!("init.sh");

/// Directories `init.sh` mounts something on, which would hide what the archive has there.
const MOUNTED: &[&str] = &["dev", "proc", "run", "sys", "tmp", "var"];

/// Writes the archive to `out`, uncompressed: the host's memory is faster than the guest's processor.
pub fn write(guest: &Guest, files: &[(PathBuf, &str)], command: &str, out: &mut impl Write) -> anyhow::Result<()> {
    let mut tree = Tree::default();
    for directory in MOUNTED.iter().chain(&["root"]) {
        tree.insert(directory, Node::Directory);
    }
    tree.insert("init", Node::text(0o755, INIT));
    tree.insert("command", Node::text(0o644, &format!("{command}\n")));
    tree.insert("etc/passwd", Node::text(0o644, "root:x:0:0:root:/root:/bin/sh\n"));
    tree.insert("etc/group", Node::text(0o644, "root:x:0:\n"));
    tree.insert("etc/hosts", Node::text(0o644, "127.0.0.1 localhost guest\n::1 localhost guest\n"));
    tree.insert("etc/nsswitch.conf", Node::text(0o644, "hosts: files dns\n"));
    tree.insert("busybox/busybox", Node::Host(guest.busybox.clone()));
    for (position, module) in guest.modules.iter().enumerate() {
        tree.insert(&format!("modules/{position:03}.ko"), Node::Host(module.clone()));
    }
    tree.add(Path::new("/bin/sh"), "/bin/sh")?;
    for (host, path) in files {
        tree.add(host, path).with_context(|| format!("adding {} as {path}", host.display()))?;
    }
    tree.write(out)
}

enum Node {
    Directory,
    Symlink(String),
    Text {
        mode: u32,
        text: String,
    },
    /// A file with the content and the permissions of this one.
    Host(PathBuf),
}

impl Node {
    fn text(mode: u32, text: &str) -> Self {
        Self::Text { mode, text: text.to_owned() }
    }
}

/// The guest's files by their paths, which have no leading slash. Sorted, a directory is before what it holds.
#[derive(Default)]
struct Tree(BTreeMap<String, Node>);

impl Tree {
    /// Adds a file, with the libraries it needs, or a directory with all it holds.
    fn add(&mut self, host: &Path, path: &str) -> anyhow::Result<()> {
        let Some(path) = path.strip_prefix('/') else { bail!("{path} is not absolute") };
        let (top, _) = path.split_once('/').unwrap_or((path, ""));
        if MOUNTED.contains(&top) {
            bail!("the guest mounts a file system of its own on /{top}");
        }
        if fs::metadata(host)?.is_dir() {
            return self.add_directory(host, path);
        }
        self.insert(path, Node::Host(host.to_owned()));
        for library in libraries(host)? {
            self.insert(library.trim_start_matches('/'), Node::Host(PathBuf::from(&library)));
        }
        Ok(())
    }

    fn add_directory(&mut self, host: &Path, path: &str) -> anyhow::Result<()> {
        self.insert(path, Node::Directory);
        for entry in fs::read_dir(host)? {
            let entry = entry?;
            let inner = format!("{path}/{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_symlink() {
                let target = fs::read_link(entry.path())?;
                self.insert(&inner, Node::Symlink(target.to_string_lossy().into_owned()));
            } else {
                self.add(&entry.path(), &format!("/{inner}"))?;
            }
        }
        Ok(())
    }

    fn insert(&mut self, path: &str, node: Node) {
        for (slash, _) in path.match_indices('/') {
            let parent = path.get(..slash).unwrap_or_default();
            self.0.entry(parent.to_owned()).or_insert(Node::Directory);
        }
        self.0.insert(path.to_owned(), node);
    }

    fn write(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let mut archive = newc::Archive::new(out);
        for (path, node) in &self.0 {
            match node {
                Node::Directory => archive.directory(path)?,
                Node::Symlink(target) => archive.symlink(path, target)?,
                Node::Text { mode, text } => archive.file(path, *mode, text.len() as u64, text.as_bytes())?,
                Node::Host(host) => {
                    let file = File::open(host).with_context(|| format!("opening {}", host.display()))?;
                    let metadata = file.metadata()?;
                    archive.file(path, metadata.permissions().mode(), metadata.len(), file)?;
                }
            }
        }
        Ok(archive.finish()?)
    }
}

/// The absolute paths of the shared libraries and the loader that `host` needs; none if it is no dynamic program.
/// Libraries a program opens by name at run time are not among them.
fn libraries(host: &Path) -> anyhow::Result<Vec<String>> {
    let mut magic = Vec::new();
    File::open(host)?.take(4).read_to_end(&mut magic)?;
    if magic != b"\x7fELF" {
        return Ok(Vec::new());
    }
    let mut ldd = Command::new("ldd");
    // `ldd` takes an argument that begins with a dash for an option.
    ldd.arg(fs::canonicalize(host)?);
    let output = programs::output_of(&mut ldd, "libc-bin")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("not a dynamic executable") {
        return Ok(Vec::new());
    }
    if !output.status.success() {
        bail!("{ldd:?}: {}", errors.trim());
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    lines.lines().filter_map(|line| library(line).transpose()).collect()
}

/// The path in a line of `ldd`: `libc.so.6 => /lib/libc.so.6 (0x7f…)` or, for the loader, `/lib64/ld.so (0x7f…)`.
/// The kernel's own library, `linux-vdso.so.1`, and "statically linked" have none.
fn library(line: &str) -> anyhow::Result<Option<String>> {
    let line = line.trim();
    let path = line.split_once(" => ").map_or(line, |(_, path)| path);
    if path == "not found" {
        bail!("the host lacks a library: {line}");
    }
    let (path, _) = path.split_once(" (").unwrap_or((path, ""));
    Ok(path.starts_with('/').then(|| path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_libraries_are_read_from_ldd() {
        let path = |line| library(line).unwrap();
        assert_eq!(path("\tlibc.so.6 => /lib/libc.so.6 (0x00007f09cb0a1000)").as_deref(), Some("/lib/libc.so.6"));
        assert_eq!(path("\t/lib64/ld.so.2 (0x00007f09cb42d000)").as_deref(), Some("/lib64/ld.so.2"));
        assert_eq!(path("\tlinux-vdso.so.1 (0x00007f09cb42d000)"), None);
        assert_eq!(path("\tstatically linked"), None);
        assert!(library("\tlibnone.so => not found").is_err());
    }

    #[test]
    fn a_directory_comes_before_what_it_holds() {
        let mut tree = Tree::default();
        tree.insert("a/b/c", Node::Symlink("d".to_owned()));
        tree.insert("a-b", Node::Directory);
        let paths: Vec<_> = tree.0.keys().map(String::as_str).collect();
        assert_eq!(paths, ["a", "a-b", "a/b", "a/b/c"]);
    }

    #[test]
    fn files_under_a_mount_are_refused() {
        let mut tree = Tree::default();
        assert!(tree.add(Path::new("/bin/sh"), "/tmp/sh").is_err());
        assert!(tree.add(Path::new("/bin/sh"), "sh").is_err());
    }
}
