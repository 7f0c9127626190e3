//! How many instructions each kernel's verifier goes through for each program, against what is recorded: a program that
//! grows by more than a fifth unnoticed will one day not load.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::project;

/// Kernel's version and program, to instructions.
type Counts = BTreeMap<(String, String), u32>;

/// What is recorded, and what has been seen since.
pub struct Verified {
    recorded: Counts,
    seen: Counts,
}

impl Verified {
    /// # Errors
    /// If the record cannot be read.
    pub fn open() -> anyhow::Result<Self> {
        let path = path();
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let recorded = text.lines().skip(1).map(row).collect::<anyhow::Result<_>>()?;
        Ok(Self { recorded, seen: Counts::new() })
    }

    /// Reads what netctl told while it loaded its programs (`--log-level debug`); a sentence for each program that has
    /// grown, or that nobody recorded.
    pub fn check(&mut self, release: &str, console: &str) -> Vec<String> {
        let version = version(release);
        let mut complaints = Vec::new();
        let counts: Vec<(String, u32)> = console.lines().filter_map(told).collect();
        if counts.is_empty() {
            complaints.push(format!("Linux {version} told of no program"));
        }
        for (program, count) in counts {
            let key = (version.clone(), program);
            match self.recorded.get(&key).or_else(|| self.of_another_kernel(&key.1)) {
                Some(&recorded) if count <= recorded + recorded / 5 => {}
                Some(recorded) => complaints.push(format!(
                    "{} takes {count} verified instructions on Linux {version}, over a fifth more than the {recorded} recorded",
                    key.1
                )),
                None => complaints.push(format!("{} is not in {}", key.1, FILE)),
            }
            self.seen.insert(key, count);
        }
        complaints
    }

    /// The most that is recorded for a kernel that nobody has recorded.
    fn of_another_kernel(&self, program: &str) -> Option<&u32> {
        self.recorded.iter().filter(|((_, name), _)| name == program).map(|(_, count)| count).max()
    }

    /// Writes what was seen in place of what was recorded for the same kernels.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn record(mut self) -> anyhow::Result<()> {
        let kernels: Vec<String> = self.seen.keys().map(|(kernel, _)| kernel.clone()).collect();
        self.recorded.retain(|(kernel, _), _| !kernels.contains(kernel));
        self.recorded.append(&mut self.seen);
        let mut text = String::from("kernel,program,verified\n");
        for ((kernel, program), count) in &self.recorded {
            writeln!(text, "{kernel},{program},{count}")?;
        }
        fs::write(path(), text).with_context(|| format!("writing {FILE}"))
    }
}

const FILE: &str = "netctl-ebpf/verified.csv";

fn path() -> PathBuf {
    project::root().join(FILE)
}

fn row(line: &str) -> anyhow::Result<((String, String), u32)> {
    let mut cells = line.split(',');
    let (Some(kernel), Some(program), Some(count)) = (cells.next(), cells.next(), cells.next()) else {
        anyhow::bail!("{FILE}: {line:?} has no three cells");
    };
    Ok(((kernel.to_owned(), program.to_owned()), count.parse().with_context(|| format!("{FILE}: {line}"))?))
}

/// Name and count of a line such as `DEBUG … loaded program="uplink_direct" verified=1234`.
fn told(line: &str) -> Option<(String, u32)> {
    let (_, rest) = line.split_once("loaded program=\"")?;
    let (program, rest) = rest.split_once("\" verified=")?;
    Some((program.to_owned(), rest.trim().parse().ok()?))
}

/// `6.12` of `6.12.117+deb12-cloud-amd64`.
fn version(release: &str) -> String {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    let (major, minor) = (numbers.next().unwrap_or(""), numbers.next().unwrap_or(""));
    format!("{major}.{minor}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "DEBUG netctl::kernel::bpf::object: loaded program=\"uplink_direct\" verified=1200";

    fn verified() -> Verified {
        let key = ("6.1".to_owned(), "uplink_direct".to_owned());
        Verified { recorded: Counts::from([(key, 1000)]), seen: Counts::new() }
    }

    #[test]
    fn a_fifth_more_is_borne_and_one_more_is_not() {
        assert_eq!(verified().check("6.1.0-56-cloud-amd64", LINE), Vec::<String>::new());
        let complaints = verified().check("6.1.0-56-cloud-amd64", &LINE.replace("1200", "1201"));
        assert!(complaints.iter().any(|complaint| complaint.contains("1201")), "{complaints:?}");
    }

    #[test]
    fn a_kernel_that_nobody_recorded_is_held_to_the_most_of_the_others() {
        assert_eq!(verified().check("6.18.5", LINE), Vec::<String>::new());
        assert_eq!(verified().check("6.18.5", &LINE.replace("1200", "1300")).len(), 1);
    }

    #[test]
    fn silence_and_an_unknown_program_are_told() {
        assert_eq!(verified().check("6.1.0", "nothing").len(), 1);
        assert_eq!(verified().check("6.1.0", &LINE.replace("uplink_direct", "other")).len(), 1);
    }
}
