//! Where the programs sit: a filter on each container's host end and each network's anchor, a link on each uplink.

use std::{fs, os::fd::AsFd, path::Path};

use aya::programs::{
    LinkOrder, ProgramError, TcAttachType,
    links::{FdLink, PinnedLink},
    tc::{self, TcAttachOptions},
};

use super::{DataPlane, pinned};
use crate::kernel::{Interface, KernelError, LinkHeader, Netlink, Result};

/// What a container sends.
pub const CONTAINER_EGRESS: &str = "container_egress";
/// What comes in from outside.
pub const UPLINK_INGRESS: &str = "uplink_ingress";
/// What comes in from outside on a link without an Ethernet header.
pub const TUNNEL_INGRESS: &str = "tunnel_ingress";

/// What the host sends to all of a network.
pub const ANCHOR_EGRESS: &str = "anchor_egress";

/// How a program was attached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attachment {
    /// A TCX link (Linux 6.6), pinned.
    Link,
    /// A filter of the clsact qdisc.
    Filter,
}

impl DataPlane {
    /// Attaches `container_egress` to the host end of a new veth pair. It goes with the interface.
    pub fn attach_container(&self, netlink: &Netlink, ifindex: u32) -> Result<()> {
        self.attach_filter(netlink, CONTAINER_EGRESS, ifindex)
    }

    /// Attaches the program for its kind of link to an interface, if it is not there yet.
    pub fn hook_uplink(&self, netlink: &Netlink, interface: &Interface) -> Result<Attachment> {
        let (path, name) = (self.link_path(interface.index), ingress(interface));
        let mut program = self.program(name)?;
        let options = TcAttachOptions::TcxOrder(LinkOrder::default());
        match program.attach_with_options(&interface.name, TcAttachType::Ingress, options) {
            Ok(id) => {
                let link = program.take_link(id).map_err(failed("attach", name))?;
                let link = FdLink::try_from(link)
                    .map_err(|error| KernelError::file("pin the link at", &path)(std::io::Error::other(error)))?;
                link.pin(&path)
                    .map_err(|error| KernelError::file("pin the link at", &path)(std::io::Error::other(error)))?;
                Ok(Attachment::Link)
            }
            // No TCX: Linux before 6.6.
            Err(ProgramError::SyscallError(_)) => {
                self.attach_filter(netlink, name, interface.index)?;
                Ok(Attachment::Filter)
            }
            Err(source) => Err(failed("attach", name)(source)),
        }
    }

    /// Puts the program that is pinned now in the place of the one that an uplink's link or filter holds.
    pub fn replace_on_uplink(&self, netlink: &Netlink, interface: &Interface) -> Result<()> {
        let (path, name) = (self.link_path(interface.index), ingress(interface));
        let Ok(pinned) = PinnedLink::from_pin(&path) else {
            return self.replace_filter(netlink, name, interface.index);
        };
        let mut program = self.program(name)?;
        let link = FdLink::from(pinned).try_into().map_err(|error: aya::programs::links::LinkError| {
            KernelError::file("open the link at", &path)(std::io::Error::other(error))
        })?;
        let id = program.attach_to_link(link).map_err(failed("replace", name))?;
        // The pin keeps the link; ours may go.
        let link = program.take_link(id).map_err(failed("replace", name))?;
        drop(link);
        Ok(())
    }

    /// Puts the program that is pinned now in the place of the one on a container's host end.
    pub fn replace_on_container(&self, netlink: &Netlink, ifindex: u32) -> Result<()> {
        self.replace_filter(netlink, CONTAINER_EGRESS, ifindex)
    }

    /// Has `anchor_egress` see what goes out by a network's anchor. It goes with the interface.
    pub fn hook_anchor(&self, netlink: &Netlink, ifindex: u32) -> Result<()> {
        let path = self.program_path(ANCHOR_EGRESS);
        let program = pinned::open(&path).map_err(KernelError::file("open the program at", path))?;
        netlink.put_egress_filter(ifindex, ANCHOR_EGRESS, program.as_fd())
    }

    fn replace_filter(&self, netlink: &Netlink, name: &'static str, ifindex: u32) -> Result<()> {
        let path = self.program_path(name);
        let program = pinned::open(&path).map_err(KernelError::file("open the program at", path))?;
        netlink.replace_filter(ifindex, name, program.as_fd())
    }

    fn attach_filter(&self, netlink: &Netlink, name: &'static str, ifindex: u32) -> Result<()> {
        let path = self.program_path(name);
        let program = pinned::open(&path).map_err(KernelError::file("open the program at", path))?;
        netlink.add_filter(ifindex, name, program.as_fd())
    }

    /// Removes the program for what comes in from an interface.
    pub fn unhook_uplink(&self, interface: &Interface) -> Result<()> {
        let path = self.link_path(interface.index);
        if path.exists() {
            return fs::remove_file(&path).map_err(KernelError::file("remove", path));
        }
        // Without a link there may be a filter; finding none is the aim.
        let _ = tc::qdisc_detach_program(&interface.name, TcAttachType::Ingress, ingress(interface));
        Ok(())
    }
}

/// The program for what comes in on an uplink.
fn ingress(interface: &Interface) -> &'static str {
    if interface.link_header == LinkHeader::Absent { TUNNEL_INGRESS } else { UPLINK_INGRESS }
}

/// Whether a link is pinned for the interface.
pub fn is_hooked(data_plane: &DataPlane, ifindex: u32) -> bool {
    Path::exists(&data_plane.link_path(ifindex))
}

fn failed(action: &'static str, program: &'static str) -> impl FnOnce(ProgramError) -> KernelError {
    move |source| KernelError::Program { action, program, source: Box::new(source) }
}
