//! Docker: Debian's dockerd and client, unmodified, with netctl as their network and IPAM driver.

mod networks;
