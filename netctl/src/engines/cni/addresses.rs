//! MACs as they are written in configurations and results.

use super::{Error, Result};

/// Reads a MAC that an interface can have.
pub fn read_mac(text: &str) -> Result<[u8; 6]> {
    let invalid = || Error::Mac(text.to_owned());
    let part = |part: &str| u8::from_str_radix(part, 16).ok().filter(|_| part.len() == 2);
    let bytes: Option<Vec<u8>> = text.split([':', '-']).map(part).collect();
    let bytes: [u8; 6] = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(invalid)?;
    let is_group = bytes.first().is_some_and(|first| first & 1 != 0);
    if is_group || bytes == [0; 6] { Err(invalid()) } else { Ok(bytes) }
}

/// Writes a MAC.
pub fn write_mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_interface_can_have_is_read() {
        assert_eq!(write_mac(read_mac("C2:b0:57:49:47:f1").unwrap()), "c2:b0:57:49:47:f1");
        for bad in
            ["", "xx", "02:00:00:00:00", "02:00:00:00:00:0g", "01:00:00:00:00:01", "0:0:0:0:0:2", "00:00:00:00:00:00"]
        {
            assert!(read_mac(bad).is_err(), "{bad}");
        }
    }
}
