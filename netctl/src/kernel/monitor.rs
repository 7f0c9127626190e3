//! Word of links and addresses that come, change and go in one network namespace. Not what they are.

use futures_util::StreamExt;
use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::{RouteNetlinkMessage, link::LinkAttribute};
use rtnetlink::MulticastGroup;

use super::{KernelError, Result};

type Messages = futures_util::stream::BoxStream<'static, RouteNetlinkMessage>;

/// Listens in the namespace in which it was opened.
pub struct Monitor {
    messages: Messages,
}

impl Monitor {
    /// Begins to listen in the caller's namespace.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn open() -> Result<Self> {
        let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
        let (connection, _, messages) = rtnetlink::new_multicast_connection(&groups)
            .map_err(KernelError::system("listen for changes of links and addresses"))?;
        tokio::spawn(connection);
        let messages = messages.filter_map(|(message, _)| async move {
            match message.payload {
                NetlinkPayload::InnerMessage(message) => Some(message),
                _ => None,
            }
        });
        Ok(Self { messages: messages.boxed() })
    }

    /// Waits until something has changed; links whose names begin with one of `ours` do not count.
    pub async fn changed(&mut self, ours: &[&str]) {
        loop {
            match self.messages.next().await {
                Some(message) if is_named(&message, ours) => {}
                Some(_) => return,
                // Nothing more will be heard; whoever looks around by the clock still does.
                None => std::future::pending().await,
            }
        }
    }
}

fn is_named(message: &RouteNetlinkMessage, prefixes: &[&str]) -> bool {
    let (RouteNetlinkMessage::NewLink(link) | RouteNetlinkMessage::DelLink(link)) = message else {
        return false;
    };
    link.attributes.iter().any(|attribute| match attribute {
        LinkAttribute::IfName(name) => prefixes.iter().any(|prefix| name.starts_with(prefix)),
        _ => false,
    })
}
