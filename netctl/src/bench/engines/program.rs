//! Programs of others: where they are, and what they answer.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::bench::{Error, Result};

/// Where Debian's packages put programs.
const DIRECTORIES: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The program's file, Debian's own before any other of that name.
///
/// # Errors
/// When it is not installed, with the package that brings it.
pub fn find(program: &'static str, package: &'static str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = std::env::split_paths(&path).collect::<Vec<_>>();
    let all = DIRECTORIES.iter().map(Path::new).chain(others.iter().map(PathBuf::as_path));
    first_file(all, program).ok_or(Error::NotInstalled { program, package })
}

/// The same of a program that is in nobody's path.
///
/// # Errors
/// When it is not installed, with the package that brings it.
pub fn find_in(directories: &[&str], program: &'static str, package: &'static str) -> Result<PathBuf> {
    first_file(directories.iter().map(Path::new), program).ok_or(Error::NotInstalled { program, package })
}

fn first_file<'a>(mut directories: impl Iterator<Item = &'a Path>, program: &str) -> Option<PathBuf> {
    directories.find_map(|directory| Some(directory.join(program)).filter(|file| file.is_file()))
}

/// Runs a command that reads `input`, and gives what it prints.
///
/// # Errors
/// When it cannot be started or fails, with what it complained; some engines complain on standard output.
pub fn run(command: &mut Command, input: &[u8]) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |source| Error::File { action: "run", path: PathBuf::from(&name), source };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that has ended without reading says why by itself.
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output().map_err(failed)?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(printed);
    }
    let complaint = format!("{} {}", printed.trim(), String::from_utf8_lossy(&output.stderr).trim());
    Err(Error::Program { program: name, status: output.status.to_string(), complaint })
}
