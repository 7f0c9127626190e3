//! What an interface had before `tuning` changed it, kept in a file in the stock plugin's format until DEL.

use std::{fs, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    Error, Result,
    addresses::{read_mac, write_mac},
    call::Call,
    wire::TuningConfig,
};
use crate::engine::{InterfaceChange, InterfaceState};

/// The stock plugin's place.
const DIRECTORY: &str = "/run/cni/tuning";

/// The place of one interface's file.
pub struct Backup {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    promisc: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    allmulti: Option<bool>,
    #[serde(default, rename = "txQLen", skip_serializing_if = "Option::is_none")]
    queue: Option<u32>,
}

impl Backup {
    /// Where it is for the interface of a call.
    pub fn place(config: &TuningConfig, call: &Call) -> Self {
        let directory = config.directory.as_deref().filter(|text| !text.is_empty()).unwrap_or(DIRECTORY);
        let name = format!("{}_{}.json", call.environment.container, call.environment.interface);
        Self { path: PathBuf::from(directory).join(name) }
    }

    /// Keeps what is there. What was kept before is older, and so stays.
    pub fn keep(&self, state: &InterfaceState) -> Result<()> {
        if self.path.exists() {
            return Ok(());
        }
        let kept = Kept {
            mac: state.mac.map(write_mac),
            promisc: Some(state.is_promiscuous),
            mtu: Some(state.mtu),
            allmulti: Some(state.is_allmulti),
            queue: Some(state.queue),
        };
        let failed = |source| Error::File { action: "write", path: self.path.clone(), source };
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory).map_err(failed)?;
        }
        fs::write(&self.path, serde_json::to_vec(&kept).unwrap_or_default()).map_err(failed)
    }

    /// What was kept; `None` where nothing was, or nothing that can be read.
    pub fn read(&self) -> Option<InterfaceChange> {
        let kept: Kept = serde_json::from_slice(&fs::read(&self.path).ok()?).ok()?;
        Some(InterfaceChange {
            mac: kept.mac.and_then(|text| read_mac(&text).ok()),
            mtu: kept.mtu,
            up: None,
            promiscuous: kept.promisc,
            allmulti: kept.allmulti,
            queue: kept.queue,
        })
    }

    /// Removes the file; one that is gone already is fine.
    pub fn remove(&self) {
        let _ = fs::remove_file(&self.path);
    }
}
