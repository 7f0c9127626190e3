//! Networks and containers as their users meet them: what commands do, what they refuse, names, and what a kill leaves.

mod attached;
mod bad_input;
mod bad_state;
mod connect;
mod crash;
mod formats;
mod gateway;
mod interfaces;
mod ipam;
mod lifecycle;
mod listing;
mod modes;
mod names;
mod names_files;
mod names_hostile;
mod names_options;
mod names_resolver;
mod options;
mod orphans;
mod ports;
mod prune;
mod scene;
mod tenants;
mod tour;
mod upstream;
mod verbs;
