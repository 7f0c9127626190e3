//! `CNI_ARGS`: pairs of keys and values. Which of them are known is the plugin's to say.

use super::{Error, Result, error::ArgumentError};

/// The key that says that unknown ones are no mistake.
const IGNORE: &str = "IgnoreUnknown";

/// Pairs in the order in which they were given.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Arguments(Vec<(String, String)>);

impl Arguments {
    /// Reads `KEY=VALUE;KEY=VALUE`.
    pub fn read(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let pair = |item: &str| match item.split_once('=') {
            Some((key, value)) if !value.contains('=') => Ok((key.to_owned(), value.to_owned())),
            _ => Err(Error::Arguments(ArgumentError::Pair(item.to_owned()))),
        };
        Ok(Self(text.split(';').map(pair).collect::<Result<_>>()?))
    }

    /// The value of a key; of one that is given twice, the last.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// Refuses keys that a plugin does not know, unless they say that it may ignore them.
    pub fn check(&self, known: &[&str]) -> Result<()> {
        let ignores = match self.get(IGNORE) {
            None => false,
            Some(text) => truth(text).ok_or_else(|| {
                Error::Arguments(ArgumentError::Value {
                    pair: format!("{IGNORE}={text}"),
                    why: "it is neither true nor false".to_owned(),
                })
            })?,
        };
        let is_known = |key: &str| key == IGNORE || known.contains(&key);
        let unknown = self.0.iter().filter(|(key, _)| !is_known(key));
        let unknown: Vec<_> = unknown.map(|(key, value)| format!("{key}={value}")).collect();
        if ignores || unknown.is_empty() { Ok(()) } else { Err(Error::Arguments(ArgumentError::Unknown(unknown))) }
    }

    /// For a value that cannot be.
    pub fn invalid(key: &str, value: &str, why: impl ToString) -> Error {
        Error::Arguments(ArgumentError::Value { pair: format!("{key}={value}"), why: why.to_string() })
    }
}

/// As Go reads it, and the stock plugins with it.
fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_and_unknown_ones_refused_unless_they_may_be_ignored() {
        let read = |text| Arguments::read(text).unwrap();
        assert_eq!(read("A=b;C=d").get("C"), Some("d"));
        assert!(read("").check(&[]).is_ok());
        assert!(read("IP=10.0.0.1").check(&["IP"]).is_ok());
        assert!(read("IgnoreUnknown=1;FOO=x").check(&[]).is_ok());
        let told = read("IgnoreUnknown=0;FOO=x").check(&["IP"]).unwrap_err().to_string();
        assert_eq!(told, "ARGS: unknown args [\"FOO=x\"]");
        assert_eq!(Arguments::read("ab").unwrap_err().to_string(), "ARGS: invalid pair \"ab\"");
        assert!(read("IgnoreUnknown=maybe").check(&[]).is_err());
    }
}
