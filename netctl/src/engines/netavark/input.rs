//! What a caller tells on standard input or in a file: read whole, of bounded length, before anything is locked.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde::de::DeserializeOwned;

use super::failure::{Failure, MOST_INPUT};

/// Stands for standard input.
const STDIN: &str = "-";

/// Reads what a caller tells.
///
/// # Errors
/// Where it cannot be read, does not end, or is something else.
pub fn read<T: DeserializeOwned>(file: Option<&OsStr>) -> Result<T, Failure> {
    let text = match file.filter(|file| *file != STDIN) {
        Some(file) => whole(File::open(Path::new(file)).map_err(Failure::Unreadable)?)?,
        None => whole(io::stdin().lock())?,
    };
    parse(&text)
}

fn whole(source: impl Read) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    source.take(MOST_INPUT + 1).read_to_end(&mut text).map_err(Failure::Unreadable)?;
    if text.len() as u64 > MOST_INPUT { Err(Failure::TooLong) } else { Ok(text) }
}

/// Reads JSON.
///
/// # Errors
/// Where it is something else.
pub fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Failure> {
    // netavark reads so, and its columns are counted so.
    serde_json::from_reader(text).map_err(Failure::Malformed)
}

#[cfg(test)]
mod tests {
    use super::super::wire::NetworkOptions;
    use super::*;

    #[test]
    fn what_is_no_description_of_a_container_is_told_as_netavark_tells_it() {
        let nested = "[".repeat(100_000);
        for (text, told) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("{\n", "EOF while parsing an object at line 2 column 0"),
            ("{}", "missing field `container_id` at line 1 column 2"),
            ("[1]", "invalid type: integer `1`, expected a string at line 1 column 3"),
            ("\u{0}", "expected value at line 1 column 1"),
            (r#"{"container_id": 7}"#, "invalid type: integer `7`, expected a string at line 1 column 19"),
            (&format!(r#"{{"x": {nested}"#), "EOF while parsing a list at line 1 column 100006"),
        ] {
            let failure = parse::<NetworkOptions>(text.as_bytes()).unwrap_err().to_string();
            let expected = format!("failed to load network options: IO error: {told}");
            assert_eq!(failure, expected, "{}", text.get(..20).unwrap_or(text));
        }
    }

    #[test]
    fn what_does_not_end_is_not_read_to_its_end() {
        assert!(matches!(whole(io::repeat(b' ')), Err(Failure::TooLong)));
    }
}
