//! The benchmark itself: its generators and contestants carry right bytes from right addresses, its command leaves nothing.

mod command;
mod contestants;
