//! Rules of a container's namespace that choose a route by the sender's address.

use std::net::IpAddr;

use futures_util::TryStreamExt;
use netlink_packet_route::{
    AddressFamily,
    route::RouteProtocol,
    rule::{RuleAction, RuleAttribute, RuleMessage},
};
use rtnetlink::IpVersion;

use super::{KernelError, Netlink, Result, netlink::check, routes::PROTOCOL};

const EEXIST: i32 = 17;
const ENOENT: i32 = 2;

/// A rule of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceRule {
    /// The family.
    pub ipv6: bool,
    /// Its place among the rules.
    pub priority: u32,
    /// Whose packets it is for; `None` is everybody's.
    pub source: Option<IpAddr>,
    /// The table that is looked at.
    pub table: u32,
    /// Whether default routes of that table are passed over.
    pub without_default: bool,
}

impl Netlink {
    /// Our own rules of one family.
    pub fn source_rules(&self, ipv6: bool) -> Result<Vec<SourceRule>> {
        let version = if ipv6 { IpVersion::V6 } else { IpVersion::V4 };
        let list = |handle: rtnetlink::Handle| async move {
            handle.rule().get(version).execute().try_collect::<Vec<RuleMessage>>().await
        };
        let rules = self.request(list).map_err(|source| KernelError::Netlink {
            action: "list",
            subject: "rules".to_owned(),
            source,
        })?;
        let ours = RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL));
        Ok(rules.iter().filter(|rule| rule.attributes.contains(&ours)).map(|rule| read(rule, ipv6)).collect())
    }

    /// Adds a rule; one that is there already is fine.
    pub fn add_source_rule(&self, rule: &SourceRule) -> Result<()> {
        let message = message(rule);
        let answer = self.request(|handle| async move {
            let mut request = handle.rule().add();
            *request.message_mut() = message;
            request.execute().await
        });
        check("add the rule", rule.priority.to_string(), &[EEXIST], answer)
    }

    /// Removes a rule; one that is gone already is fine.
    pub fn delete_source_rule(&self, rule: &SourceRule) -> Result<()> {
        let message = message(rule);
        let answer = self.request(|handle| handle.rule().del(message).execute());
        check("remove the rule", rule.priority.to_string(), &[ENOENT], answer)
    }
}

fn message(rule: &SourceRule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = if rule.ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
    message.header.action = RuleAction::ToTable;
    message.attributes.push(RuleAttribute::Priority(rule.priority));
    message.attributes.push(RuleAttribute::Table(rule.table));
    message.attributes.push(RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL)));
    if let Some(source) = rule.source {
        message.header.src_len = if rule.ipv6 { 128 } else { 32 };
        message.attributes.push(RuleAttribute::Source(source));
    }
    if rule.without_default {
        message.attributes.push(RuleAttribute::SuppressPrefixLen(0));
    }
    message
}

fn read(message: &RuleMessage, ipv6: bool) -> SourceRule {
    let table = message.header.table.into();
    let mut rule = SourceRule { ipv6, priority: 0, source: None, table, without_default: false };
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Priority(priority) => rule.priority = *priority,
            RuleAttribute::Source(source) => rule.source = Some(*source),
            RuleAttribute::Table(table) => rule.table = *table,
            RuleAttribute::SuppressPrefixLen(length) => rule.without_default = *length == 0,
            _ => {}
        }
    }
    rule
}
