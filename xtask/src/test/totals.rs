//! Counts of tests, as cargo's test harness prints them and as their sum is printed.

use std::fmt;
use std::ops::AddAssign;
use std::process::ExitCode;

use crate::project;

/// How many tests ended which way.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Totals {
    pub passed: u32,
    pub failed: u32,
    pub skipped: u32,
}

impl Totals {
    /// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; …`; `None` for every other line.
    pub fn of_line(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let mut totals = Self::default();
        for count in counts.split("; ") {
            match count.split_once(' ')? {
                (number, "passed") => totals.passed = number.parse().ok()?,
                (number, "failed") => totals.failed = number.parse().ok()?,
                (number, "ignored") => totals.skipped = number.parse().ok()?,
                _ => {}
            }
        }
        Some(totals)
    }

    /// In CI a skipped test is a failure.
    pub fn exit_code(self) -> ExitCode {
        let is_success = self.failed == 0 && self.passed > 0 && (self.skipped == 0 || !project::is_ci());
        if is_success { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 { write!(f, ", {} skipped", self.skipped) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_read_and_others_are_not() {
        let line = "test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s";
        assert_eq!(Totals::of_line(line), Some(Totals { passed: 12, failed: 2, skipped: 1 }));
        assert_eq!(Totals::of_line("test names::zone ... ok"), None);
        assert_eq!(Totals::of_line("running 3 tests"), None);
    }

    #[test]
    fn skipped_tests_are_told_only_if_there_are_any() {
        let mut totals = Totals { passed: 2, failed: 0, skipped: 0 };
        assert_eq!(totals.to_string(), "2 passed, 0 failed");
        totals += Totals { passed: 1, failed: 1, skipped: 1 };
        assert_eq!(totals.to_string(), "3 passed, 1 failed, 1 skipped");
    }
}
