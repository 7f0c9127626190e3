//! Names of networks and containers: Docker's alphabet, and a length that file names and DNS can bear.

use std::fmt;

use serde::{Deserialize, Serialize};

const LONGEST: usize = 128;

/// A valid name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Debug)]
#[serde(transparent)]
pub struct Name(String);

/// Why a name is not valid.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameError {
    /// There is nothing.
    #[error("a name must not be empty; give one, such as web")]
    Empty,
    /// It is too long.
    #[error("the name has {0} characters; {LONGEST} are the most")]
    TooLong(usize),
    /// It has a character that names have not.
    #[error("invalid name {0:?}: only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed; take out what is not among them")]
    Alphabet(String),
}

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let length = text.chars().count();
        if length == 0 {
            return Err(NameError::Empty);
        }
        if length > LONGEST {
            return Err(NameError::TooLong(length));
        }
        let begins_well = text.chars().next().is_some_and(|first| first.is_ascii_alphanumeric());
        let goes_on_well = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
        if begins_well && goes_on_well { Ok(Self(text.to_owned())) } else { Err(NameError::Alphabet(text.to_owned())) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_files_and_zones_can_bear_are_taken() {
        for good in ["web", "a", "Web_1.test-x", &"x".repeat(128)] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "../x", "a\nb", "-a", ".a", "a b", "ä", &"x".repeat(129)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
