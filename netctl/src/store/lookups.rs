//! Rows found by what they hold, each by an index: no look at all rows. Not by name or identifier.

use std::{collections::BTreeSet, net::IpAddr};

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError, schema::PORT_BLOCK};
use crate::model::{Container, Endpoint, Id, Network, Protocol};

/// A block of ports of one protocol.
type Block = (u8, u16);

impl Store {
    /// Containers attached in the namespace of that cookie, and those whose cookie nobody recorded.
    pub fn attached_in(&self, cookie: u64) -> Result<Vec<Container>, StoreError> {
        let query = "SELECT body, phase FROM containers WHERE json_extract(body, '$.origin.cookie') IN (?1, 0)";
        let found = self.select(query, &[&cookie.cast_signed()])?;
        Ok(found.into_iter().map(|(container, _)| container).collect())
    }

    /// Networks of these engines that no endpoint is on.
    pub fn deserted_networks(&self, engines: &[&str]) -> Result<Vec<Network>, StoreError> {
        let query = "SELECT body, phase FROM networks WHERE json_extract(body, '$.engine') = ?1
            AND NOT EXISTS (SELECT 1 FROM endpoints WHERE endpoints.network = networks.id)";
        let mut found = Vec::new();
        for engine in engines {
            found.extend(self.select(query, &[engine])?.into_iter().map(|(network, _)| network));
        }
        Ok(found)
    }

    /// Containers of that network mode.
    pub fn of_mode(&self, mode: &str) -> Result<Vec<Container>, StoreError> {
        let query = "SELECT body, phase FROM containers WHERE json_extract(body, '$.network_mode') = ?1 ORDER BY rowid";
        Ok(self.select(query, &[&mode])?.into_iter().map(|(container, _)| container).collect())
    }

    /// Whether an endpoint on a network has the address, or it is held for one.
    pub fn is_address_taken(&self, network: &Id, address: IpAddr) -> Result<bool, StoreError> {
        if self.holder_of(network, address)?.is_some() {
            return Ok(true);
        }
        let query = match address {
            IpAddr::V4(_) => "SELECT 1 FROM endpoints WHERE network = ?1 AND json_extract(body, '$.address4') = ?2",
            IpAddr::V6(_) => "SELECT 1 FROM endpoints WHERE network = ?1 AND json_extract(body, '$.address6') = ?2",
        };
        let mut statement = self.connection.prepare_cached(query).map_err(self.wrap())?;
        let found = statement.query_row(params![network.as_str(), address.to_string()], |_| Ok(())).optional();
        Ok(found.map_err(self.wrap())?.is_some())
    }

    /// A slot that no endpoint has, from `first` on and below `end`: one behind all others, as long as there is one.
    pub fn free_slot(&self, first: u32, end: u32) -> Result<Option<u32>, StoreError> {
        let highest: Option<u32> =
            self.connection.query_row("SELECT max(slot) FROM endpoints", [], |row| row.get(0)).map_err(self.wrap())?;
        let next = highest.map_or(first, |highest| highest.saturating_add(1).max(first));
        if next < end {
            return Ok(Some(next));
        }
        let mut statement =
            self.connection.prepare_cached("SELECT slot FROM endpoints ORDER BY slot").map_err(self.wrap())?;
        let taken: BTreeSet<u32> = statement
            .query_map([], |row| row.get(0))
            .and_then(Iterator::collect::<rusqlite::Result<_>>)
            .map_err(self.wrap())?;
        Ok((first..end).find(|slot| !taken.contains(slot)))
    }

    /// Every endpoint that may publish one of these host ports, and some that publish others close by.
    pub fn endpoints_near(&self, ports: impl Iterator<Item = (Protocol, u16)>) -> Result<Vec<Endpoint>, StoreError> {
        let wanted: BTreeSet<Block> = ports.map(block).collect();
        let query = "SELECT endpoint FROM ports WHERE protocol = ?1 AND block = ?2";
        let mut statement = self.connection.prepare_cached(query).map_err(self.wrap())?;
        let mut ids: BTreeSet<String> = BTreeSet::new();
        for (protocol, block) in wanted {
            let found = statement.query_map(params![protocol, block], |row| row.get::<_, String>(0));
            for id in found.map_err(self.wrap())? {
                ids.insert(id.map_err(self.wrap())?);
            }
        }
        let mut endpoints = Vec::new();
        for id in ids {
            endpoints.extend(self.select("SELECT body, phase FROM endpoints WHERE id = ?1", &[&id])?);
        }
        Ok(endpoints.into_iter().map(|(endpoint, _)| endpoint).collect())
    }

    /// Notes which ports an endpoint publishes.
    pub(super) fn note_ports(&self, endpoint: &Endpoint) -> Result<(), StoreError> {
        let wanted: BTreeSet<Block> =
            endpoint.published.iter().map(|port| block((port.protocol, port.host_port))).collect();
        let id = endpoint.id.as_str();
        let mut statement = self
            .connection
            .prepare_cached("SELECT protocol, block FROM ports WHERE endpoint = ?1")
            .map_err(self.wrap())?;
        let known: BTreeSet<Block> = statement
            .query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))
            .and_then(Iterator::collect::<rusqlite::Result<_>>)
            .map_err(self.wrap())?;
        if known == wanted {
            return Ok(());
        }
        self.forget_ports(&endpoint.id)?;
        wanted.iter().try_for_each(|(protocol, block)| {
            self.execute(
                "INSERT INTO ports (protocol, block, endpoint) VALUES (?1, ?2, ?3)",
                params![protocol, block, id],
            )
        })
    }

    pub(super) fn forget_ports(&self, endpoint: &Id) -> Result<(), StoreError> {
        self.execute("DELETE FROM ports WHERE endpoint = ?1", [endpoint.as_str()])
    }
}

fn block((protocol, port): (Protocol, u16)) -> Block {
    (protocol.number(), port / PORT_BLOCK)
}
