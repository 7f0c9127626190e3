//! Which netavark we speak as.

use std::{fs, time::SystemTime};

use super::wire::Version;

/// The latest whose words and JSON are understood; those of Debian 12's, 1.4, are as well.
pub const SPOKEN: &str = "2.0.0";

/// The version, as JSON. The time is that of this very program's file.
pub fn version() -> String {
    let built = std::env::current_exe().and_then(fs::metadata).and_then(|file| file.modified());
    let built = humantime::format_rfc3339_seconds(built.unwrap_or(SystemTime::UNIX_EPOCH)).to_string();
    let version = Version {
        version: SPOKEN,
        commit: "",
        build_time: &built,
        target: concat!(env!("CARGO_PKG_NAME"), "-linux"),
        netctl: env!("CARGO_PKG_VERSION"),
    };
    serde_json::to_string_pretty(&version).unwrap_or_default()
}
