//! Why a port cannot be published or exposed as it is written.

/// What is wrong with a `-p` or `--expose` argument.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PortError {
    /// It does not have the form.
    #[error("invalid port {0:?}: write [HOSTIP:][HOSTPORT:]PORT[/tcp|udp][,from=CIDR], such as 8080:80")]
    Malformed(String),
    /// A number is not a port.
    #[error("invalid port {port} in {whole:?}: ports go from 1 to 65535")]
    OutOfRange {
        /// The number.
        port: String,
        /// All that was written.
        whole: String,
    },
    /// A range ends before it begins.
    #[error("invalid range in {0:?}: it ends before it begins; swap the two")]
    Reversed(String),
    /// It is a range where one port is meant.
    #[error("invalid port {0:?}: give one, such as 80 or 53/udp")]
    NotOne(String),
    /// The two ranges differ in length.
    #[error("invalid ranges in {0:?}: host and container need as many ports each, or the container one")]
    UnequalRanges(String),
    /// The host's address is none.
    #[error("invalid host address in {0:?}: write an IPv4 address, or an IPv6 address in brackets")]
    HostAddress(String),
    /// The protocol cannot be published.
    #[error("cannot publish {protocol} in {whole:?}: tcp and udp can be")]
    Protocol {
        /// The protocol.
        protocol: String,
        /// All that was written.
        whole: String,
    },
    /// SCTP (RFC 9260) names its peers' addresses inside its packets, so translating the header alone breaks it.
    #[error(
        "cannot publish sctp in {0:?}: its packets carry addresses that are not translated; leave it out, and reach the \
         container at its own address on a network with the option com.docker.network.bridge.gateway_mode_ipv4=routed"
    )]
    Sctp(String),
    /// A setting behind the port.
    #[error("invalid setting {setting:?} in {whole:?}: write from=CIDR, such as from=192.168.0.0/16")]
    Setting {
        /// The setting.
        setting: String,
        /// All that was written.
        whole: String,
    },
}
