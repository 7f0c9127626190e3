//! State and hosts that a command must not touch: damaged files, a lock that another holds, another host, an old kernel.

use std::{fs, fs::File, path::Path, process::Output};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{Child, Host, Namespace, wait};
use nix::libc;

use crate::scene::{DEADLINE, refuses, wrapped};

/// Where SQLite keeps `user_version`, big-endian (its file format, section 1.3).
const USER_VERSION: std::ops::Range<usize> = 60..64;

#[test]
fn a_damaged_or_newer_state_file_is_refused_by_name_and_left_alone() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "web"])?;
    let path = host.state_dir().join("state.db");
    let good = fs::read(&path)?;
    let mut future = good.clone();
    future[USER_VERSION].copy_from_slice(&99_u32.to_be_bytes());
    let mut foreign = good.clone();
    foreign[68..72].copy_from_slice(b"else");
    let page = usize::from(u16::from_be_bytes([good[16], good[17]]));
    let mut cases: Vec<(String, Vec<u8>)> = vec![
        ("from the future".to_owned(), future),
        ("another program's".to_owned(), foreign),
        ("garbage".to_owned(), b"these are not the bytes of a state file\n".repeat(300)),
    ];
    for length in [0, 1, 50, 100, 512, page, page + 1, good.len() / 2, good.len() - page] {
        cases.push((format!("cut to {length} of {}", good.len()), good[..length].to_vec()));
    }
    // With its log beside it, and as a copy without.
    let (log, index) = (path.with_extension("db-wal"), path.with_extension("db-shm"));
    let good_log = fs::read(&log)?;
    refuse_all(&host, &path, &cases)?;
    ensure!(fs::read(&log)? == good_log, "the log has changed");
    fs::remove_file(&log)?;
    // Nothing was stored in that byte: beside a log, which may hold its page, it is not missed.
    cases.push(("cut by a byte".to_owned(), good[..good.len() - 1].to_vec()));
    fs::remove_file(&index)?;
    refuse_all(&host, &path, &cases)?;
    // SQLite makes the index of a log anew.
    let _ = fs::remove_file(&index);
    fs::write(&log, &good_log)?;
    fs::write(&path, &good)?;
    ensure!(host.ok(&["network", "ls"])?.contains("web"));
    host.finish()
}

fn refuse_all(host: &Host, path: &Path, cases: &[(String, Vec<u8>)]) -> Result<()> {
    for (what, bytes) in cases {
        fs::write(path, bytes)?;
        for arguments in [["ps"].as_slice(), &["network", "create", "other"]] {
            let ended = host.netctl(arguments)?;
            ended.refused(1, &path.to_string_lossy()).with_context(|| what.clone())?;
            ensure!(ended.stderr.lines().count() == 1, "{what}: {}", ended.stderr);
        }
        ensure!(fs::read(path)? == *bytes, "{what}: the file has changed");
    }
    Ok(())
}

#[test]
fn commands_of_the_same_moment_take_turns() -> Result<()> {
    let host = Host::new()?;
    let create = |name: &str| Child::spawn(&mut host.command(&["network", "create", name])?);
    let mut different = (0..10).map(|number| create(&format!("net{number}"))).collect::<Result<Vec<_>>>()?;
    for child in &mut different {
        ensure!(child.wait(DEADLINE)?.success(), "{}", child.stderr()?);
    }
    ensure!(host.ok(&["network", "ls", "-q"])?.lines().count() == 13);

    let mut same = (0..10).map(|_| create("same")).collect::<Result<Vec<_>>>()?;
    let mut codes = Vec::new();
    for child in &mut same {
        codes.push(child.wait(DEADLINE)?.code());
        ensure!(codes.last() == Some(&Some(0)) || child.stderr()?.contains("already exists"), "{}", child.stderr()?);
    }
    codes.sort_unstable();
    ensure!(codes == [[Some(0)].as_slice(), &[Some(4); 9]].concat(), "{codes:?}");
    host.finish()
}

#[test]
fn a_command_waits_for_the_lock() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "ls"])?;
    let path = host.state_dir().join("lock");
    let lock = File::open(&path)?;
    lock.lock()?;
    let mut waiting = Child::spawn(&mut host.command(&["network", "create", "web"])?)?;
    let descriptors = format!("/proc/{}/fd", waiting.id());
    let has_opened = || -> Result<bool> {
        let links = fs::read_dir(&descriptors)?.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
        Ok(links.into_iter().any(|link| link == path))
    };
    wait::until(DEADLINE, "the command to come to the lock", has_opened)?;
    ensure!(waiting.is_running()?, "it does not wait: {}", waiting.stderr()?);
    lock.unlock()?;
    ensure!(waiting.wait(DEADLINE)?.success(), "{}", waiting.stderr()?);
    ensure!(waiting.stdout()?.trim_end().len() == 64);
    host.finish()
}

#[test]
fn another_host_is_refused() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "web"])?;
    let other = Namespace::new("other")?;
    for arguments in [["ps"].as_slice(), &["network", "create", "other"], &["network", "rm", "web"]] {
        let output = host.command_in(&other, arguments)?.output()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(4), "{arguments:?}: {output:?}");
        ensure!(stderr.contains("belongs to another network namespace"), "{stderr}");
        ensure!(output.stdout.is_empty() && stderr.lines().count() == 1, "{output:?}");
    }
    ensure!(other.sh("ip -o link")?.lines().count() == 1);
    refuses(&host, &["network", "create", "web"], 4, "already exists")?;
    host.finish()
}

#[test]
fn a_kernel_without_btf_is_told() -> Result<()> {
    let host = Host::new()?;
    let empty = tempfile::tempdir()?;
    let script = format!("mount --bind {} /sys/kernel/btf; exec \"$@\"", empty.path().display());
    let hidden = ["unshare", "--mount", "sh", "-ec", &script, "sh"];
    for arguments in [["network", "create", "web"].as_slice(), &["dataplane", "load"]] {
        told_by(&wrapped(&host, &hidden, arguments)?.output()?, 1, "this kernel has no BTF")?;
    }
    let output = wrapped(&host, &hidden, &["run", "-d", "--name", "c", "--", "true"])?.output()?;
    told_by(&output, 125, "this kernel has no BTF")?;
    ensure!(host.ok(&["network", "ls", "-q"])?.lines().count() == 3, "a network was made");
    ensure!(host.ok(&["ps", "-a", "-q"])?.is_empty(), "a container was made");
    ensure!(host.ok(&["network", "create", "web"])?.len() == 64);
    host.finish()
}

#[test]
fn a_kernel_that_refuses_ebpf_is_told() -> Result<()> {
    use std::os::unix::process::CommandExt;
    let host = Host::new()?;
    let mut command = host.command(&["network", "create", "web"])?;
    // SAFETY: between fork and exec only two system calls are made, on data that lives in the closure.
    unsafe { command.pre_exec(without_ebpf) };
    told_by(&command.output()?, 1, "this kernel has no bpf system call")?;
    ensure!(host.ok(&["network", "ls", "-q"])?.lines().count() == 3, "a network was made");
    host.finish()
}

fn told_by(output: &Output, code: i32, sentence: &str) -> Result<()> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(code) && stderr.contains(sentence), "wanted {code} {sentence}: {output:?}");
    ensure!(output.stdout.is_empty() && stderr.lines().count() == 1, "{output:?}");
    Ok(())
}

/// From here on bpf(2) answers ENOSYS, as on a kernel that was built without it.
fn without_ebpf() -> std::io::Result<()> {
    let statement = |code: u32, k: u32, skip: u8| libc::sock_filter { code: code as u16, jt: 0, jf: skip, k };
    let mut filter = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, libc::SYS_bpf as u32, 1),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned(), 0),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the program and its statements live for the calls, which read them only.
    let answer = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            | libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
    };
    if answer == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
