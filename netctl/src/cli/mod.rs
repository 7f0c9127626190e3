//! Arguments and words: what a user types, and what is printed. No decision about networks is made here.

mod args;
mod attach;
mod bench;
mod connect;
mod data_plane;
mod dispatch;
mod echo;
mod inspect;
mod inspection;
mod logs;
mod manual;
mod multi_call;
mod network;
mod network_inspect;
mod network_list;
mod network_removal;
mod options;
mod output;
mod port;
mod ps;
mod run;
mod stats;
mod template;
mod template_functions;

pub use dispatch::run;
pub use multi_call::answer_as_plugin;
