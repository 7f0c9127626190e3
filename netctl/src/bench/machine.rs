//! What a run is measured on, and how quiet it is. It changes nothing of it.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{
    Result,
    contestants::{MTU, Place},
};
use crate::kernel::{Netlink, offloads};

/// Less idle time than this before the first scenario is noise.
const IDLE: f64 = 0.90;
/// More stolen time than this is.
const STEAL: f64 = 0.01;
/// How long the machine is watched.
const WATCHED: Duration = Duration::from_millis(700);

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

impl Machine {
    /// Looks at the machine and watches it for a moment.
    pub fn look() -> Result<Self> {
        let (one, other) = (Place::new("link that is looked at")?, Place::new("its other end")?);
        one.connect("eth0", &other, "eth0")?;
        let link = Netlink::open_in(one.netns())?.link("eth0")?;
        let congestion_control = one.inside(|| line("/proc/sys/net/ipv4/tcp_congestion_control"))?;
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kibibytes = meminfo.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok());
        Ok(Self {
            kernel: format!("{} {}", line("/proc/sys/kernel/osrelease"), line("/proc/sys/kernel/version")),
            cpu: cpu_model(),
            cpus: thread::available_parallelism().map_or(1, usize::from),
            memory: kibibytes.unwrap_or_default() * 1024,
            mitigations: mitigations(),
            mtu: MTU,
            offloads: one.inside(|| offloads("eth0"))??.into_iter().map(str::to_owned).collect(),
            qdisc: link.map(|link| link.qdisc).unwrap_or_default(),
            congestion_control,
            tools: BTreeMap::new(),
            noise: Noise::watch(),
        })
    }
}

impl Noise {
    /// Watches the machine for a moment.
    #[must_use]
    pub fn watch() -> Self {
        let (before, start) = (cpu_times(), Instant::now());
        while start.elapsed() < WATCHED {
            thread::park_timeout(WATCHED.saturating_sub(start.elapsed()));
        }
        Self::between(&before, &cpu_times())
    }

    fn between(before: &[f64], after: &[f64]) -> Self {
        let spent: Vec<f64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
        let total = spent.iter().take(8).sum::<f64>().max(1.0);
        let part = |place: usize| spent.get(place).copied().unwrap_or_default() / total;
        // user nice system idle iowait irq softirq steal, proc_stat(5)
        let (idle, steal) = (part(3) + part(4), part(7));
        Self { idle, steal, is_noisy: idle < IDLE || steal > STEAL }
    }
}

fn cpu_times() -> Vec<f64> {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = stat.lines().next().unwrap_or_default();
    first.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect()
}

fn cpu_model() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = |line: &str| line.split_once(':').map(|(_, model)| model.trim().to_owned());
    text.lines().find(|line| line.starts_with("model name")).and_then(named).unwrap_or_else(|| "unknown".to_owned())
}

fn mitigations() -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir("/sys/devices/system/cpu/vulnerabilities") else { return BTreeMap::new() };
    let entries = entries.flatten();
    entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), line(entry.path()))).collect()
}

fn line(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_machine_and_a_robbed_one_are_called_noisy() {
        let before = [0.0; 10];
        let quiet = [1.0, 0.0, 1.0, 138.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let busy = [70.0, 0.0, 2.0, 68.0, 0.0, 0.0, 0.0, 0.0, 70.0, 0.0];
        let robbed = [1.0, 0.0, 1.0, 130.0, 0.0, 0.0, 0.0, 8.0, 0.0, 0.0];
        let is_noisy = |after| Noise::between(&before, after).is_noisy;
        assert_eq!([is_noisy(&quiet), is_noisy(&busy), is_noisy(&robbed)], [false, true, true]);
    }
}
