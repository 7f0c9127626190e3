//! The behaviour of the decision core on the host, packet by packet.

mod fixture_table;
