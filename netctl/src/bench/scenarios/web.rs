//! One end-to-end row: nginx in a container, wrk outside, a small file and one of a megabyte through the published port. Neither
//! is ours, and nothing of what they send is looked at here but the number of requests and that none failed.

use std::{
    fs,
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    rc::Rc,
    time::{Duration, Instant},
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::{prctl, signal::Signal},
    unistd::Pid,
};
use tempfile::TempDir;

use super::{Ground, Judged, Listed, STOP, judge, samples};
use crate::bench::{
    Contestant, Error, Limits, Result,
    contestants::{DOCKER_RULES, Entry, NETCTL, NFT_MAP, ROUTED_HOP, Route, Site, Way},
    engines::{find, run},
    outcome::{Role, Scenario, Unit},
    run_rounds,
};

const ENTRANTS: [(Entry, Role); 4] =
    [(DOCKER_RULES, Role::Peer), (NETCTL, Role::Ours), (ROUTED_HOP, Role::Limit), (NFT_MAP, Role::Other)];

/// wrk knows whole seconds only.
const SLICE: &str = "1s";

/// A server in a container.
#[derive(Debug)]
struct Nginx {
    process: Child,
    _directory: TempDir,
}

/// One that is ready to be asked.
struct Ready {
    name: &'static str,
    role: Role,
    route: Route,
    // Before the site that it lives in.
    _nginx: Nginx,
    _site: Rc<dyn Site>,
}

/// Both files, one after the other.
pub fn measure(ground: &mut Ground<'_>, listed: &Listed) -> Result<Vec<Scenario>> {
    let large = Listed { name: "web-large-file", what: "nginx behind a published port, wrk asks for 1 MB", ..*listed };
    Ok(vec![one(ground, listed, "/small")?, one(ground, &large, "/large")?])
}

fn one(ground: &mut Ground<'_>, listed: &Listed, file: &str) -> Result<Scenario> {
    let mut scenario = samples::scenario(listed, Unit::OperationsPerSecond, DOCKER_RULES.name);
    scenario.limit = Some(ROUTED_HOP.name.to_owned());
    let wrk = match find("wrk", "wrk").and_then(|wrk| find("nginx", "nginx-light").map(|_| wrk)) {
        Ok(wrk) => wrk,
        Err(error) => {
            scenario.skipped.push(samples::skipped(DOCKER_RULES.name, &error));
            return Ok(scenario);
        }
    };
    let mut ready: Vec<Ready> = Vec::new();
    for (entry, role) in ENTRANTS {
        let site = match ground.site(&entry) {
            Ok(site) => site,
            Err(error) => {
                scenario.skipped.push(samples::skipped(entry.name, &error));
                continue;
            }
        };
        let Some(route) = site.route(Way::Published) else { continue };
        let nginx = Nginx::start(&route, ground.one_cpu.server).map_err(|error| error.of(entry.name))?;
        ready.push(Ready { name: entry.name, role, route, _nginx: nginx, _site: site });
    }
    ground.say(&format!("asking {} servers", ready.len()));
    let cpu = ground.one_cpu.client;
    let contestants = ready.iter().map(|one| {
        let url = format!("http://{}{file}", one.route.target);
        let wrk = &wrk;
        Contestant::new(one.name, move || requests(wrk, &one.route, &url, cpu))
    });
    // Slices are of a second, two a round and contestant, the peer twice.
    let limits = Limits { precision: STOP, budget: ground.budget * 3 };
    let rounds = run_rounds(&mut contestants.collect::<Vec<_>>(), 0, &limits, &mut fastrand::Rng::new())?;
    let found = ready.iter().zip(rounds.samples).map(|(one, samples)| Judged {
        contestant: one.name.to_owned(),
        role: one.role,
        x: None,
        samples,
    });
    (scenario.series, scenario.qualification) = judge(found.collect(), rounds.rival, scenario.better);
    scenario.notes.push("nginx with one worker, wrk with one thread and 16 connections, both on one CPU.".to_owned());
    Ok(scenario)
}

impl Nginx {
    /// Serves both files; it listens when this returns.
    fn start(route: &Route, cpu: usize) -> Result<Self> {
        let program = find("nginx", "nginx-light")?;
        let directory = tempfile::tempdir_in("/run").map_err(Error::file("make a directory in", "/run"))?;
        let at = &directory.path().to_owned();
        let write = |name: &str, bytes: &[u8]| {
            let path = at.join(name);
            fs::write(&path, bytes).map_err(Error::file("write", path))
        };
        write("small", &[b'a'; 128])?;
        write("large", &vec![b'a'; 1 << 20])?;
        write("nginx.conf", configuration(at, route.listen).as_bytes())?;
        let mut command = route.server.command(&program);
        command.arg("-p").arg(at).arg("-c").arg(at.join("nginx.conf"));
        pin(&mut command, cpu)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().map_err(Error::file("run", &program))?;
        let this = Self { process, _directory: directory };
        let deadline = Instant::now() + Duration::from_secs(5);
        // A connection that is refused is answered at once: this asks again and again, and only while nginx starts.
        while route.server.inside(|| std::net::TcpStream::connect(route.listen).is_err())? {
            if Instant::now() >= deadline {
                let complaint = fs::read_to_string(at.join("error.log")).unwrap_or_default();
                return Err(Error::Program { program: "nginx".to_owned(), status: "no answer".to_owned(), complaint });
            }
        }
        Ok(this)
    }
}

impl Drop for Nginx {
    /// One process that serves by itself has no children.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(at: &Path, listen: SocketAddr) -> String {
    let at = at.display();
    format!(
        "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;
         events {{ worker_connections 256; }}
         http {{
             access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
             client_body_temp_path {at}/a; proxy_temp_path {at}/b; fastcgi_temp_path {at}/c;
             uwsgi_temp_path {at}/d; scgi_temp_path {at}/e;
             server {{ listen {listen}; root {at}; }}
         }}"
    )
}

/// Runs on one CPU, and ends with us.
fn pin(command: &mut Command, cpu: usize) -> Result<()> {
    let mut only = CpuSet::new();
    only.set(cpu).map_err(Error::pinning(cpu))?;
    // SAFETY: between fork and exec the closure makes two system calls.
    unsafe {
        command.pre_exec(move || {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            Ok(sched_setaffinity(Pid::from_raw(0), &only)?)
        });
    }
    Ok(())
}

/// Requests a second, all of which have to be answered well.
fn requests(wrk: &Path, route: &Route, url: &str, cpu: usize) -> Result<f64> {
    let mut command = route.client.command(wrk);
    command.args(["--threads", "1", "--connections", "16", "--duration", SLICE, url]);
    pin(&mut command, cpu)?;
    let told = run(&mut command, b"")?;
    let rate = told.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:")?.trim().parse().ok());
    match rate {
        Some(rate) if !told.contains("Non-2xx") && !told.contains("Socket errors") => Ok(rate),
        _ => Err(Error::Wrong {
            what: format!("what wrk says of {url}"),
            wanted: "requests without errors".to_owned(),
            found: told,
        }),
    }
}
