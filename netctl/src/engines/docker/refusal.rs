//! Why a call of dockerd's is refused, in Docker's own sentences where it has them, and by which HTTP status.
//!
//! Docker's document: what cannot be read is answered with 4xx, what cannot be done with 200 and a sentence in `Err`.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{requests::RequestError, wire};
use crate::engine::{self, Error};

/// A refused call.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Nobody knows the method.
    #[error("{0}: there is no such method")]
    NoMethod(String),
    /// Methods are called by POST.
    #[error("{0} is called by POST alone")]
    NotPosted(String),
    /// More than any call needs.
    #[error("the request is larger than {0} bytes, which no call needs")]
    TooLarge(usize),
    /// It took too long to arrive.
    #[error("the request did not arrive within {0} s")]
    TooSlow(u64),
    /// It did not arrive whole.
    #[error("the request did not arrive whole: {0}")]
    Cut(String),
    /// It is no JSON, or not what the method takes.
    #[error("{method}: {place}{source}")]
    Malformed {
        /// The method.
        method: String,
        /// The field, with a colon, if it is known.
        place: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A field's value.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A call about a network that nobody has made.
    #[error("network {0} not found")]
    NoNetwork(String),
    /// A network again, and different.
    #[error("network with id {0} already exists")]
    NetworkExists(String),
    /// A call about an endpoint that nobody has made.
    #[error("endpoint {0} not found")]
    NoEndpoint(String),
    /// An endpoint again, and different.
    #[error("endpoint with id {0} already exists")]
    EndpointExists(String),
    /// An endpoint in a second sandbox.
    #[error("endpoint {endpoint} is in the sandbox {sandbox} already")]
    Joined {
        /// The endpoint.
        endpoint: String,
        /// Where it is.
        sandbox: String,
    },
    /// Ports of an endpoint that nobody has joined.
    #[error("endpoint {0} is in no sandbox")]
    NotJoined(String),
    /// A sandbox without a name.
    #[error("SandboxKey: it has to be the file of a network namespace")]
    NoSandbox,
    /// A pool that nobody has.
    #[error("invalid pool id: {0}")]
    NoPool(String),
    /// A network is joined, and its addresses come from somewhere else.
    #[error(
        "network {0} has addresses of its own: join it by -o netctl.network={0} together with --ipam-driver netctl --ipam-opt netctl.network={0}"
    )]
    OtherAddresses(String),
    /// A network is joined, and asked to be different.
    #[error("network {network} is joined as it is: leave {what} out")]
    JoinedAsItIs {
        /// The network.
        network: String,
        /// What was asked.
        what: String,
    },
    /// A network without containers of its own namespace.
    #[error("network {0} cannot be joined: it has no addresses")]
    NoAddresses(String),
    /// The engine refuses.
    #[error("{}", sentence(.0))]
    Engine(#[from] engine::Error),
    /// The work did not come to an end.
    #[error("the call was not carried out: {0}")]
    Lost(String),
}

impl From<crate::store::StoreError> for Refusal {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Engine(error.into())
    }
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoMethod(_) => StatusCode::NOT_FOUND,
            Self::NotPosted(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Cut(_) | Self::Malformed { .. } | Self::Request(_) => StatusCode::BAD_REQUEST,
            _ => StatusCode::OK,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status(), Json(wire::Refused::from(self.to_string()))).into_response()
    }
}

/// The engine's sentence, or Docker's where people and programs look for that.
fn sentence(error: &Error) -> String {
    match error {
        Error::Overlap { subnet, other, whose } => {
            format!("Pool overlaps with other one on this address space: {subnet} and {other}, {whose}")
        }
        Error::PoolsExhausted => {
            "could not find an available, non-overlapping address pool among the defaults to assign \
                                  to the network; give one with --subnet"
                .to_owned()
        }
        Error::SubnetFull(subnet) => format!("No available addresses in {subnet}"),
        Error::Address { address, why: "it is in use" } => format!("Address already in use: {address}"),
        Error::Address { address, .. } => format!("Requested address is out of range: {address}"),
        Error::PortInUse { address, how, .. } if how == "published" => {
            format!("Bind for {address} failed: port is already allocated")
        }
        Error::PortInUse { address, protocol, .. } => {
            let family = if address.is_ipv4() { "4" } else { "6" };
            format!("listen {protocol}{family} {address}: bind: address already in use")
        }
        Error::NotOurAddress(address) => {
            format!("{error}; listen {address}: bind: cannot assign requested address")
        }
        Error::RangeInUse { .. } => format!("{error}: all ports are allocated"),
        other => other.to_string(),
    }
}
