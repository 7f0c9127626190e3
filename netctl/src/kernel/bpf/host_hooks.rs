//! The programs at the host's own sockets: attached to the root of the control groups, where every socket of the machine
//! passes. Each acts on the sockets of its own host's namespace only.

use std::{fs, fs::File, path::PathBuf};

use aya::{
    Ebpf,
    programs::{
        CgroupAttachMode, Program, ProgramError,
        links::{FdLink, LinkError},
    },
};

use super::{
    DataPlane,
    object::{names, tell_size},
};
use crate::kernel::{KernelError, Result, cgroup};

/// The programs, which the object's sections give their hooks.
const PROGRAMS: [&str; 11] = [
    "host_connect4",
    "host_connect6",
    "host_sendmsg4",
    "host_sendmsg6",
    "host_recvmsg4",
    "host_recvmsg6",
    "host_peer4",
    "host_peer6",
    "host_bind4",
    "host_bind6",
    "host_release",
];

impl DataPlane {
    /// Attaches the programs, in place of those of another build: for a moment both are there, of which the second one
    /// finds nothing left to do.
    pub(super) fn hook_host(&self, object: &mut Ebpf) -> Result<()> {
        let Some(root) = cgroup::mount_point() else {
            tracing::warn!(
                "there is no cgroup2 mount: programs of the host do not reach published ports through its own addresses, \
                 and can bind them"
            );
            return Ok(());
        };
        let root = File::open(&root).map_err(KernelError::file("open", root))?;
        for name in PROGRAMS {
            let program = object
                .program_mut(name)
                .ok_or(KernelError::MissingFeature { feature: name, cure: "this build of netctl is incomplete" })?;
            let link = attach(name, program, &root).map_err(|source| KernelError::Program {
                action: "attach",
                program: name,
                source: Box::new(source),
            })?;
            self.pin_over(link, name)?;
        }
        Ok(())
    }

    /// Whether each program has its link, or no link can be had.
    pub(super) fn is_host_hooked(&self) -> bool {
        let pinned = names(&self.links_directory());
        PROGRAMS.iter().all(|name| pinned.contains(*name)) || cgroup::mount_point().is_none()
    }

    /// A new pin takes the old one's place at once, and with it the old program goes.
    fn pin_over(&self, link: FdLink, name: &str) -> Result<()> {
        let (path, fresh) = (self.host_link(name), self.host_link(&format!("{name}-new")));
        // What a dead command left.
        let _ = fs::remove_file(&fresh);
        link.pin(&fresh).map_err(|error| KernelError::file("pin the link at", &fresh)(std::io::Error::other(error)))?;
        fs::rename(&fresh, &path).map_err(KernelError::file("pin the link at", path))
    }

    fn host_link(&self, name: &str) -> PathBuf {
        self.links_directory().join(name)
    }
}

/// A link of a control group lets others be attached beside it; the flag that older ways of attaching need for that is
/// refused here (kernel/bpf/cgroup.c, cgroup_bpf_link_attach).
fn attach(name: &str, program: &mut Program, root: &File) -> std::result::Result<FdLink, ProgramError> {
    match program {
        Program::CgroupSockAddr(program) => {
            program.load()?;
            tell_size(name, program.info());
            let id = program.attach(root, CgroupAttachMode::Single)?;
            program.take_link(id)?.try_into().map_err(not_a_link)
        }
        Program::CgroupSock(program) => {
            program.load()?;
            tell_size(name, program.info());
            let id = program.attach(root, CgroupAttachMode::Single)?;
            program.take_link(id)?.try_into().map_err(not_a_link)
        }
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

/// A kernel before 5.7 attaches without a link, which cannot be pinned.
fn not_a_link(error: LinkError) -> ProgramError {
    ProgramError::IOError(std::io::Error::other(error))
}
