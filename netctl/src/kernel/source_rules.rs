//! Rules of a container's namespace that choose a route by the sender's address.

use std::net::IpAddr;

use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::RouteProtocol,
    rule::{RuleAction, RuleAttribute, RuleMessage},
};

use super::{
    Netlink, Result,
    netlink::{Change, Manner},
    routes::PROTOCOL,
};

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
        let mut question = RuleMessage::default();
        question.header.family = if ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
        let answers = self.list("rules", RouteNetlinkMessage::GetRule(question))?;
        let ours = RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL));
        let rule = |answer: &RouteNetlinkMessage| match answer {
            RouteNetlinkMessage::NewRule(message) if message.attributes.contains(&ours) => Some(read(message, ipv6)),
            _ => None,
        };
        Ok(answers.iter().filter_map(rule).collect())
    }

    /// Adds a rule; one that is there already is fine.
    pub fn add_source_rule(&self, rule: &SourceRule) -> Result<()> {
        let message = RouteNetlinkMessage::NewRule(message(rule));
        let (action, subject) = ("add the rule", rule.priority.to_string());
        self.carry_out(vec![Change { action, subject, tolerated: &[EEXIST], manner: Manner::Add, message }])
    }

    /// Removes a rule; one that is gone already is fine.
    pub fn delete_source_rule(&self, rule: &SourceRule) -> Result<()> {
        let message = RouteNetlinkMessage::DelRule(message(rule));
        let (action, subject) = ("remove the rule", rule.priority.to_string());
        self.carry_out(vec![Change { action, subject, tolerated: &[ENOENT], manner: Manner::Alter, message }])
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
