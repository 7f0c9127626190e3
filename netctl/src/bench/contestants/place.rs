//! A network namespace of a run: entered, configured, and gone when nobody holds it any more. It has no name in the file
//! system.

use std::{
    ffi::OsStr,
    net::{IpAddr, Ipv4Addr},
    os::unix::process::CommandExt,
    panic,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

use ipnet::IpNet;
use netctl_common::abi::Mac;

use crate::{
    bench::{Error, Result},
    kernel::{MAIN_TABLE, Netlink, Netns, Route, Veth, index_of, sysctl},
};

/// The MTU of every link.
pub const MTU: u32 = 1500;

/// Marks every link of a run. It is not the engine's mark: to netctl these links are the host's.
const ALIAS: &str = "a benchmark's";

/// A network namespace with `lo` up. Clones are the same namespace.
#[derive(Clone, Debug)]
pub struct Place {
    label: &'static str,
    netns: Arc<Netns>,
}

impl Place {
    /// Makes a namespace. The label is for complaints.
    pub fn new(label: &'static str) -> Result<Self> {
        let netns = Netns::create()?;
        let place = Self { label, netns: Arc::new(netns) };
        place.bring_up("lo")?;
        Ok(place)
    }

    /// A namespace that another has made, by the file that stands for it.
    pub fn at(label: &'static str, path: &Path) -> Result<Self> {
        Ok(Self { label, netns: Arc::new(Netns::at(path)?) })
    }

    /// What it is, in a word.
    #[must_use]
    pub fn label(&self) -> &'static str {
        self.label
    }

    /// The namespace itself.
    #[must_use]
    pub fn netns(&self) -> &Netns {
        &self.netns
    }

    /// A path by which this process's children find the namespace, as long as this is held.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.netns.raw()))
    }

    /// Runs a closure on a thread that has entered the namespace. Sockets it makes stay there, wherever they are used. A panic
    /// of the closure goes on in the caller.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let enter_and_work = || {
            self.netns.enter()?;
            Ok(work())
        };
        thread::scope(|scope| scope.spawn(enter_and_work).join())
            .unwrap_or_else(|payload| panic::resume_unwind(payload))
    }

    /// A command whose child enters the namespace before it executes the program.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let netns = Arc::clone(&self.netns);
        let mut command = Command::new(program);
        // SAFETY: between fork and exec the closure makes one system call on a descriptor that is already open.
        unsafe { command.pre_exec(move || netns.enter().map_err(std::io::Error::other)) };
        command
    }

    /// Runs a program that has to succeed, with `input` as its standard input, and gives what it prints. It is of a Debian
    /// package, in case it is not installed.
    pub fn run(&self, program: &'static str, arguments: &[&str], input: &str, package: &'static str) -> Result<String> {
        let mut command = self.command(program);
        command.args(arguments);
        run(&mut command, input, || Error::NotInstalled { program, package })
    }

    /// Joins two namespaces by a veth pair with both ends up.
    pub fn connect(&self, device: &str, other: &Self, other_device: &str) -> Result<()> {
        let (mac, peer_mac) = (any_mac(), any_mac());
        let veth = Veth {
            name: device,
            alias: ALIAS,
            mac,
            peer_name: other_device,
            peer_mac,
            peer_netns: Some(&other.netns),
            mtu: MTU,
        };
        Netlink::open_in(&self.netns)?.add_veth(&veth)?;
        self.bring_up(device)?;
        other.bring_up(other_device)
    }

    /// Brings a link up.
    pub fn bring_up(&self, device: &str) -> Result<()> {
        let index = self.index(device)?;
        Ok(Netlink::open_in(&self.netns)?.set_up(index)?)
    }

    /// Gives a link an address, and the route to its neighbours.
    pub fn add_address(&self, device: &str, address: Ipv4Addr, prefix: u8) -> Result<()> {
        let index = self.index(device)?;
        Ok(Netlink::open_in(&self.netns)?.add_address(index, IpAddr::V4(address), prefix, true)?)
    }

    /// Adds a route by a link, and by a router on it if one is named.
    pub fn add_route(&self, destination: IpNet, device: &str, gateway: Option<Ipv4Addr>) -> Result<()> {
        let link = Some(self.index(device)?);
        let route = Route {
            destination,
            link,
            gateway: gateway.map(IpAddr::V4),
            source: None,
            metric: None,
            table: MAIN_TABLE,
        };
        Ok(Netlink::open_in(&self.netns)?.add_route(&route)?)
    }

    /// The default route.
    pub fn add_default_route(&self, device: &str, gateway: Ipv4Addr) -> Result<()> {
        self.add_route(IpNet::V4(ipnet::Ipv4Net::default()), device, Some(gateway))
    }

    /// Makes a bridge, up.
    pub fn add_bridge(&self, device: &str) -> Result<()> {
        Netlink::open_in(&self.netns)?.add_anchor(device, ALIAS, any_mac(), MTU)?;
        self.bring_up(device)
    }

    /// Makes a link a port of a bridge.
    pub fn enslave(&self, device: &str, bridge: &str) -> Result<()> {
        let (port, bridge) = (self.index(device)?, self.index(bridge)?);
        Ok(Netlink::open_in(&self.netns)?.enslave(port, bridge)?)
    }

    /// Writes a setting below /proc/sys.
    pub fn set(&self, key: &str, value: &str) -> Result<()> {
        Ok(self.inside(|| sysctl::write(key, value))??)
    }

    /// The index of a link.
    pub fn index(&self, device: &str) -> Result<u32> {
        self.inside(|| index_of(device))?.ok_or_else(|| Error::Wrong {
            what: format!("the link {device} of the {}", self.label),
            wanted: "a link".to_owned(),
            found: "none".to_owned(),
        })
    }
}

/// Runs a command that has to succeed, with `input` as its standard input, and gives what it prints.
pub(super) fn run(command: &mut Command, input: &str, missing: impl FnOnce() -> Error) -> Result<String> {
    let words: Vec<_> = [command.get_program()].into_iter().chain(command.get_args().take(3)).collect();
    let program = words.join(OsStr::new(" ")).to_string_lossy().into_owned();
    let failed = |source| Error::File { action: "run", path: PathBuf::from(&program), source };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => missing(),
        _ => failed(source),
    })?;
    let stdin = child.stdin.take();
    // A program that complains before it has read everything is told by its status.
    let output = thread::scope(|scope| {
        scope.spawn(move || stdin.map(|mut pipe| std::io::Write::write_all(&mut pipe, input.as_bytes())));
        child.wait_with_output()
    });
    let output = output.map_err(failed)?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        return Err(Error::Program { program, status: output.status.to_string(), complaint });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A MAC of one interface, locally administered.
fn any_mac() -> Mac {
    let [_, _, _, b, c, d, e, f] = fastrand::u64(..).to_be_bytes();
    Mac::from_bytes([0x02, b, c, d, e, f])
}
