//! A tunnel between two namespaces: a tun device in each, and a thread that carries packets from one to the other. WireGuard,
//! ipip, gre and ppp have the same shape for the kernel: packets begin with the IP header. Not a tunnel that hides anything.

use std::{
    fs::{File, OpenOptions},
    io::{PipeReader, PipeWriter, Read, Write, pipe},
    os::fd::{AsFd, AsRawFd},
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result, ensure};
use nix::{
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::Namespace;

/// linux/if_tun.h, TUNSETIFF and TUNSETOFFLOAD.
const SET_INTERFACE: libc::Ioctl = 0x4004_54ca_u32 as libc::Ioctl;
const SET_OFFLOAD: libc::Ioctl = 0x4004_54d0_u32 as libc::Ioctl;
/// Checksums and segments of TCP may be left to the other end (TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6).
const OFFLOADS: libc::c_ulong = 1 | 2 | 4;
/// The largest packet behind its virtio_net_hdr.
const LARGEST: usize = 65_535 + 10;

/// The two devices. They go with it.
#[derive(Debug)]
pub struct Tunnel {
    stop: Option<PipeWriter>,
    carrier: Option<JoinHandle<()>>,
}

impl Tunnel {
    /// Makes `our_dev` and `other_dev`, both up, without addresses, and with that MTU.
    ///
    /// # Errors
    /// When a device of that name is there already, or the kernel knows no tun devices.
    pub fn between(one: &Namespace, our_dev: &str, other: &Namespace, other_dev: &str, mtu: u32) -> Result<Self> {
        let (ours, theirs) = (end(one, our_dev, mtu)?, end(other, other_dev, mtu)?);
        let (stopped, stop) = pipe()?;
        let carrier = thread::spawn(move || carry(&ours, &theirs, &stopped));
        Ok(Self { stop: Some(stop), carrier: Some(carrier) })
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.carrier.take().is_some_and(|carrier| carrier.join().is_err()) {
            eprintln!("the tunnel's carrier has panicked");
        }
    }
}

fn end(namespace: &Namespace, dev: &str, mtu: u32) -> Result<File> {
    let device = namespace.inside(|| open(dev))??;
    namespace.sh(&format!("ip link set {dev} mtu {mtu} up"))?;
    Ok(device)
}

/// A new tun device in the calling thread's namespace.
fn open(dev: &str) -> Result<File> {
    let device = OpenOptions::new().read(true).write(true).open("/dev/net/tun").context("opening /dev/net/tun")?;
    // SAFETY: all bytes zero are a value of the request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    ensure!(dev.len() < request.ifr_name.len(), "{dev} is too long for a device's name");
    for (place, byte) in request.ifr_name.iter_mut().zip(dev.bytes()) {
        *place = byte.cast_signed();
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR)?;
    // SAFETY: the request outlives the call, and the second one takes a number.
    let outcome = unsafe {
        let made = libc::ioctl(device.as_raw_fd(), SET_INTERFACE, &raw mut request);
        if made == 0 { libc::ioctl(device.as_raw_fd(), SET_OFFLOAD, OFFLOADS) } else { made }
    };
    ensure!(outcome == 0, "making {dev}: {}", std::io::Error::last_os_error());
    Ok(device)
}

/// Carries packets both ways, with their headers for offloads, until the pipe's other end is closed.
fn carry(one: &File, other: &File, stopped: &PipeReader) {
    let mut packet = vec![0; LARGEST];
    loop {
        let wanted = PollFlags::POLLIN;
        let mut ready = [one.as_fd(), other.as_fd(), stopped.as_fd()].map(|descriptor| PollFd::new(descriptor, wanted));
        if poll(&mut ready, PollTimeout::NONE).is_err() {
            continue;
        }
        let [from_one, from_other, end] = ready.map(|descriptor| descriptor.any().unwrap_or_default());
        if end {
            return;
        }
        for (is_ready, mut from, mut to) in [(from_one, one, other), (from_other, other, one)] {
            if is_ready && let Ok(length) = from.read(&mut packet) {
                // A device that has gone, or is down, takes nothing.
                let _ = to.write(packet.get(..length).unwrap_or_default());
            }
        }
    }
}
