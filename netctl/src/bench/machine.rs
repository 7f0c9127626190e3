//! What a run is measured on, and how quiet it is. It changes nothing of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The machine, as far as it decides the figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The kernel's release and build.
    pub kernel: String,
    /// The model of its processors.
    pub cpu: String,
    /// How many CPUs are on line.
    pub cpus: usize,
    /// In bytes.
    pub memory: u64,
    /// What the kernel does against each of the processors' flaws that it knows.
    pub mitigations: BTreeMap<String, String>,
    /// The MTU of every link that was measured.
    pub mtu: u32,
    /// The offloads of every link that was measured, those that are on.
    pub offloads: Vec<String>,
    /// The queueing discipline of every link that was measured.
    pub qdisc: String,
    /// TCP's congestion control.
    pub congestion_control: String,
    /// Name and version of each program that took part.
    pub tools: BTreeMap<String, String>,
    /// What else ran before the first scenario.
    pub noise: Noise,
}

/// What else the machine did while nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// The share of all CPU time that was idle, 0 to 1.
    pub idle: f64,
    /// The share that another guest of the same hardware took, 0 to 1.
    pub steal: f64,
    /// Whether that is too much for figures to be trusted.
    pub is_noisy: bool,
}
