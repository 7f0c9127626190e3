//! The message that goes back to a container, ours or passed on. Not the choice of what it says.

use std::net::IpAddr;

use hickory_server::proto::op::{Edns, Header, HeaderCounts, LowerQuery, Message, Metadata, ResponseCode};
use hickory_server::proto::rr::rdata::PTR;
use hickory_server::proto::rr::{Name, RData, Record};
use hickory_server::server::{Request, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tracing::debug;

/// Docker says 600. Asking us costs a container microseconds, while a cached address outlives a disconnect and may by
/// then be another container's.
const TTL: u32 = 0;
/// The largest answer in a datagram, whatever the asker would take: it fits any path without fragments.
const MAX_UDP_PAYLOAD: u16 = 1232;
const MIN_UDP_PAYLOAD: u16 = 512;

pub(super) struct Reply {
    metadata: Metadata,
    answers: Vec<Record>,
    authorities: Vec<Record>,
    additionals: Vec<Record>,
    edns: Option<Edns>,
}

impl Reply {
    pub fn addresses(request: &Request, query: &LowerQuery, addresses: &[IpAddr]) -> Self {
        let record = |&address: &IpAddr| own_record(query, RData::from(address));
        let answers = addresses.iter().map(record).collect();
        Self { answers, ..Self::authoritative(request, ResponseCode::NoError) }
    }

    /// A container's name that DNS cannot say (a label over 63 bytes) is answered without a record.
    pub fn pointer(request: &Request, query: &LowerQuery, name: &str) -> Self {
        let answers = Name::from_ascii(name).map(|mut name| {
            name.set_fqdn(true);
            own_record(query, RData::PTR(PTR(name)))
        });
        Self { answers: answers.into_iter().collect(), ..Self::authoritative(request, ResponseCode::NoError) }
    }

    /// Without records: NODATA, or a name that is ours to deny.
    pub fn authoritative(request: &Request, code: ResponseCode) -> Self {
        let mut reply = Self::error(request, code);
        reply.metadata.authoritative = true;
        reply
    }

    pub fn error(request: &Request, code: ResponseCode) -> Self {
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.recursion_available = true;
        metadata.response_code = code;
        let edns = request.edns.as_ref().map(|asked| {
            let mut edns = Edns::new();
            edns.set_dnssec_ok(asked.flags().dnssec_ok);
            edns
        });
        Self { metadata, answers: Vec::new(), authorities: Vec::new(), additionals: Vec::new(), edns }
    }

    /// Every section and flag as the upstream gave it.
    pub fn forwarded(request: &Request, answer: Message) -> Self {
        let mut metadata = answer.metadata;
        metadata.id = request.metadata.id;
        Self {
            metadata,
            answers: answer.answers,
            authorities: answer.authorities,
            additionals: answer.additionals,
            edns: request.edns.as_ref().map(|_| answer.edns.unwrap_or_default()),
        }
    }

    pub async fn send(mut self, request: &Request, mut response: impl ResponseHandler) -> ResponseInfo {
        // The encoder cuts a datagram at what the answer's own EDNS record allows, and sets TC.
        if let (Some(edns), Some(asked)) = (&mut self.edns, &request.edns) {
            edns.set_version(0);
            edns.set_max_payload(asked.max_payload().clamp(MIN_UDP_PAYLOAD, MAX_UDP_PAYLOAD));
        }
        let message = MessageResponseBuilder::new(&request.queries, self.edns.as_ref()).build(
            self.metadata,
            &self.answers,
            &self.authorities,
            &[],
            &self.additionals,
        );
        response.send_response(message).await.unwrap_or_else(|error| {
            debug!(asker = %request.src(), %error, "an answer was not sent");
            let counts = HeaderCounts::default();
            ResponseInfo::from(Header { metadata: self.metadata, counts })
        })
    }
}

fn own_record(query: &LowerQuery, data: RData) -> Record {
    Record::from_rdata(query.original().name().clone(), TTL, data)
}
