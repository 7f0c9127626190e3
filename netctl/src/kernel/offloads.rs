//! The offloads of a link, by ethtool's oldest requests, which answer with one number. They are read only.

use std::mem;

use nix::{
    errno::Errno,
    libc,
    sys::socket::{AddressFamily, SockFlag, SockType, socket},
};

use super::{KernelError, Result};

/// linux/ethtool.h, ETHTOOL_G*.
const REQUESTS: [(u32, &str); 6] = [
    (0x14, "receive checksum"),
    (0x16, "transmit checksum"),
    (0x18, "scatter-gather"),
    (0x1e, "TCP segmentation"),
    (0x23, "generic segmentation"),
    (0x2b, "generic receive"),
];

/// linux/sockios.h, SIOCETHTOOL.
const SIOCETHTOOL: libc::Ioctl = 0x8946;

/// struct ethtool_value
#[repr(C)]
struct Value {
    request: u32,
    value: u32,
}

/// The offloads that are on, of a link in the caller's namespace.
pub fn offloads(device: &str) -> Result<Vec<&'static str>> {
    use std::os::fd::AsRawFd;
    let asking = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
        .map_err(KernelError::errno("open a socket"))?;
    let mut found = Vec::new();
    for (request, name) in REQUESTS {
        let mut answer = Value { request, value: 0 };
        // SAFETY: an ifreq is plain data, for which zeros are valid.
        let mut ifreq: libc::ifreq = unsafe { mem::zeroed() };
        // The last byte stays 0.
        let name_bytes = device.bytes().take(libc::IFNAMSIZ - 1);
        ifreq.ifr_name.iter_mut().zip(name_bytes).for_each(|(to, from)| *to = from.cast_signed());
        ifreq.ifr_ifru.ifru_data = (&raw mut answer).cast();
        // SAFETY: the kernel reads an ifreq and writes to the value that it leads to; both outlive the call.
        let result = unsafe { libc::ioctl(asking.as_raw_fd(), SIOCETHTOOL, &raw mut ifreq) };
        match Errno::result(result) {
            Ok(_) if answer.value != 0 => found.push(name),
            // A link that has no such thing.
            Ok(_) | Err(Errno::EOPNOTSUPP) => {}
            Err(errno) => return Err(KernelError::errno("ask for offloads")(errno)),
        }
    }
    Ok(found)
}
