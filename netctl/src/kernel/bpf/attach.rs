//! Where the programs sit: a filter on each container's host end, a link on each uplink.

use std::{fs, mem, path::Path};

use aya::programs::{
    LinkOrder, ProgramError, SchedClassifier, TcAttachType,
    links::{FdLink, PinnedLink},
    tc::{self, NlOptions, SchedClassifierLink, SchedClassifierLinkId, TcAttachOptions, TcHandle},
};

use super::DataPlane;
use crate::kernel::{KernelError, Result};

/// What a container sends.
pub const CONTAINER_EGRESS: &str = "container_egress";
/// What comes in from outside.
pub const UPLINK_INGRESS: &str = "uplink_ingress";

/// The fixed place of our filters, so that a later program finds and replaces them.
const PRIORITY: u16 = 1;
const HANDLE: TcHandle = TcHandle::new(0, 0x6e63);

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
    pub fn attach_container(&self, interface: &str) -> Result<()> {
        let mut program = self.program(CONTAINER_EGRESS)?;
        attach_filter(&mut program, CONTAINER_EGRESS, interface)
    }

    /// Attaches `uplink_ingress` to an interface, if it is not there yet.
    pub fn hook_uplink(&self, interface: &str, ifindex: u32) -> Result<Attachment> {
        let path = self.link_path(ifindex);
        let mut program = self.program(UPLINK_INGRESS)?;
        let options = TcAttachOptions::TcxOrder(LinkOrder::default());
        match program.attach_with_options(interface, TcAttachType::Ingress, options) {
            Ok(id) => {
                let link = program.take_link(id).map_err(failed("attach", UPLINK_INGRESS))?;
                let link = FdLink::try_from(link)
                    .map_err(|error| KernelError::file("pin the link at", &path)(std::io::Error::other(error)))?;
                link.pin(&path)
                    .map_err(|error| KernelError::file("pin the link at", &path)(std::io::Error::other(error)))?;
                Ok(Attachment::Link)
            }
            // No TCX: Linux before 6.6.
            Err(ProgramError::SyscallError(_)) => {
                attach_filter(&mut program, UPLINK_INGRESS, interface)?;
                Ok(Attachment::Filter)
            }
            Err(source) => Err(failed("attach", UPLINK_INGRESS)(source)),
        }
    }

    /// Puts the program that is pinned now in the place of the one that an uplink's link holds.
    pub fn replace_on_uplink(&self, ifindex: u32) -> Result<()> {
        let path = self.link_path(ifindex);
        let Ok(pinned) = PinnedLink::from_pin(&path) else {
            return Ok(());
        };
        let mut program = self.program(UPLINK_INGRESS)?;
        let link = FdLink::from(pinned).try_into().map_err(|error: aya::programs::links::LinkError| {
            KernelError::file("open the link at", &path)(std::io::Error::other(error))
        })?;
        let id = program.attach_to_link(link).map_err(failed("replace", UPLINK_INGRESS))?;
        // The pin keeps the link; ours may go.
        let link = program.take_link(id).map_err(failed("replace", UPLINK_INGRESS))?;
        drop(link);
        Ok(())
    }

    /// Puts the program that is pinned now in the place of the one on a container's host end.
    pub fn replace_on_container(&self, interface: &str) -> Result<()> {
        let mut program = self.program(CONTAINER_EGRESS)?;
        replace_filter(&mut program, CONTAINER_EGRESS, interface)
    }

    /// Removes `uplink_ingress` from an interface.
    pub fn unhook_uplink(&self, interface: &str, ifindex: u32) -> Result<()> {
        let path = self.link_path(ifindex);
        if path.exists() {
            return fs::remove_file(&path).map_err(KernelError::file("remove", path));
        }
        // Without a link there may be a filter; finding none is the aim.
        let _ = tc::qdisc_detach_program(interface, TcAttachType::Ingress, UPLINK_INGRESS);
        Ok(())
    }
}

/// Whether a link is pinned for the interface.
pub fn is_hooked(data_plane: &DataPlane, ifindex: u32) -> bool {
    Path::exists(&data_plane.link_path(ifindex))
}

fn attach_filter(program: &mut SchedClassifier, name: &'static str, interface: &str) -> Result<()> {
    match tc::qdisc_add_clsact(interface) {
        Ok(()) | Err(tc::TcError::AlreadyAttached) => {}
        // Another's, which serves as well.
        Err(tc::TcError::NetlinkError(error)) if error.raw_os_error() == Some(nix::libc::EEXIST) => {}
        Err(error) => return Err(failed("attach", name)(error.into())),
    }
    let options = TcAttachOptions::Netlink(NlOptions { priority: PRIORITY, handle: HANDLE, classid: None });
    let id = program.attach_with_options(interface, TcAttachType::Ingress, options).map_err(failed("attach", name))?;
    keep(program, id, name)
}

/// The kernel changes the program of the filter that is there; no packet finds none.
fn replace_filter(program: &mut SchedClassifier, name: &'static str, interface: &str) -> Result<()> {
    let found = SchedClassifierLink::attached(interface, TcAttachType::Ingress, PRIORITY, HANDLE, None)
        .map_err(KernelError::system("find the filter"))?;
    let id = program.attach_to_link(found).map_err(failed("replace", name))?;
    keep(program, id, name)
}

/// Dropping a filter's guard would detach the program.
fn keep(program: &mut SchedClassifier, id: SchedClassifierLinkId, name: &'static str) -> Result<()> {
    mem::forget(program.take_link(id).map_err(failed("attach", name))?);
    Ok(())
}

fn failed(action: &'static str, program: &'static str) -> impl FnOnce(ProgramError) -> KernelError {
    move |source| KernelError::Program { action, program, source: Box::new(source) }
}
