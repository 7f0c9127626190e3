//! Identifiers: 64 hexadecimal digits, of which people type 12.

use std::{fmt, fs::File, io::Read};

use netctl_common::abi::Mac;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// An identifier of a network, container or endpoint.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Debug)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    /// A new one that nobody else has.
    pub fn random() -> Self {
        Self(random_bytes::<32>().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The one that always follows from a text: its SHA-256.
    pub fn derived(text: &str) -> Self {
        Self(Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 12 digits that lists show.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<String> for Id {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// A MAC for a container: locally administered, unicast, otherwise random.
pub fn random_mac() -> Mac {
    let [_, b, c, d, e, f] = random_bytes::<6>();
    Mac::from_bytes([0x02, b, c, d, e, f])
}

fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let read = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    if read.is_err() {
        fastrand::fill(&mut bytes);
    }
    bytes
}
