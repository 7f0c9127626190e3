//! The data plane in the kernel: loaded, pinned, attached, its maps read and written. Not what is written there, or why.

mod attach;
pub(super) mod bpffs;
mod flow_ends;
mod flows;
mod host_hooks;
mod maps;
mod object;
mod pinned;
mod probe;
mod publications;
mod reach;

pub use attach::{Attachment, is_hooked};
pub use flows::FlowEnd;
pub use maps::{Count, Maps};
pub use object::{DIGEST, DataPlane, Limits};
