//! Versions of CNI's specification: which there are, and what each has that the one before had not.

use serde_json::{Value, json};

use crate::engines::cni::{Error, Result};

/// A version that we know, oldest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Version {
    /// 0.1.0: one address of each family, and no interfaces.
    V010,
    /// 0.2.0.
    V020,
    /// 0.3.0: lists of interfaces, addresses and routes, and previous results.
    V030,
    /// 0.3.1.
    V031,
    /// 0.4.0: CHECK.
    V040,
    /// 1.0.0: addresses without their family.
    V100,
    /// 1.1.0: GC and STATUS.
    V110,
}

const ALL: [(Version, &str); 7] = [
    (Version::V010, "0.1.0"),
    (Version::V020, "0.2.0"),
    (Version::V030, "0.3.0"),
    (Version::V031, "0.3.1"),
    (Version::V040, "0.4.0"),
    (Version::V100, "1.0.0"),
    (Version::V110, "1.1.0"),
];

impl Version {
    /// The newest.
    pub const NEWEST: Self = Self::V110;

    /// What a configuration says; one that says nothing is of the oldest version.
    pub fn of(text: &str) -> Result<Self> {
        let text = if text.is_empty() { "0.1.0" } else { text };
        let found = ALL.iter().find(|(_, name)| *name == text).map(|(version, _)| *version);
        found.ok_or_else(|| {
            let known: Vec<_> = ALL.iter().map(|(_, name)| format!("{name:?}")).collect();
            Error::Version { found: text.to_owned(), known: format!("[{}]", known.join(" ")) }
        })
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        ALL.iter().find(|(version, _)| *version == self).map_or("1.1.0", |(_, name)| name)
    }

    /// Whether a result has lists of interfaces and addresses.
    pub fn has_lists(self) -> bool {
        self >= Self::V030
    }

    /// Whether an address says its family.
    pub fn names_family(self) -> bool {
        self.has_lists() && self < Self::V100
    }
}

/// All versions, oldest first.
pub fn known_versions() -> [&'static str; 7] {
    ALL.map(|(_, name)| name)
}

/// The answer to VERSION.
pub fn versions() -> Value {
    json!({ "cniVersion": Version::NEWEST.name(), "supportedVersions": known_versions() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_is_known_by_its_name_and_no_other_is() {
        for (version, name) in ALL {
            assert_eq!((Version::of(name).unwrap(), version.name()), (version, name));
        }
        assert_eq!(Version::of("").unwrap(), Version::V010);
        for other in ["9.0", "1.0", "v1.0.0", "0.2", "1.2.0"] {
            let error = Version::of(other).unwrap_err();
            assert_eq!(error.code(), 1);
            assert!(error.details().unwrap().starts_with(&format!("config is {other:?}, plugin supports [\"0.1.0\" ")));
        }
    }

    #[test]
    fn all_that_are_known_are_told() {
        assert_eq!(
            versions().to_string(),
            r#"{"cniVersion":"1.1.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}"#
        );
    }
}
