//! What the doors of other engines have to remember between two calls: rows of any shape, by kind, and addresses that are
//! promised before the endpoint is there. Not networks, containers and endpoints.

use std::net::IpAddr;

use rusqlite::{OptionalExtension, params};
use serde::{Serialize, de::DeserializeOwned};

use super::{Store, StoreError};
use crate::model::{Container, Id, Network};

/// The table, for messages.
const RECORDS: &str = "records";

impl Store {
    /// The record of that kind and identifier.
    pub fn record<T: DeserializeOwned>(&self, kind: &str, id: &str) -> Result<Option<T>, StoreError> {
        let query = "SELECT body FROM records WHERE kind = ?1 AND id = ?2";
        let mut statement = self.connection.prepare_cached(query).map_err(self.wrap())?;
        let body: Option<String> = statement.query_row([kind, id], |row| row.get(0)).optional().map_err(self.wrap())?;
        body.map(|body| parse(&body)).transpose()
    }

    /// All records of a kind, by identifier.
    pub fn records<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<(String, T)>, StoreError> {
        let query = "SELECT id, body FROM records WHERE kind = ?1 ORDER BY id";
        let mut statement = self.connection.prepare_cached(query).map_err(self.wrap())?;
        let rows = statement
            .query_map([kind], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
            .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
            .map_err(self.wrap())?;
        rows.into_iter().map(|(id, body)| Ok((id, parse(&body)?))).collect()
    }

    /// Writes a record in the place of the one that has its kind and identifier.
    pub fn put_record<T: Serialize>(&self, kind: &str, id: &str, record: &T) -> Result<(), StoreError> {
        let body = serde_json::to_string(record).map_err(|source| StoreError::Row { table: RECORDS, source })?;
        let statement = "INSERT INTO records VALUES (?1, ?2, ?3) ON CONFLICT (kind, id) DO UPDATE SET body = ?3";
        self.execute(statement, params![kind, id, body])
    }

    /// Removes a record; one that is not there is fine.
    pub fn remove_record(&self, kind: &str, id: &str) -> Result<(), StoreError> {
        self.execute("DELETE FROM records WHERE kind = ?1 AND id = ?2", [kind, id])
    }

    /// Who an address of a network is held for.
    pub fn holder_of(&self, network: &Id, address: IpAddr) -> Result<Option<String>, StoreError> {
        let query = "SELECT holder FROM held_addresses WHERE network = ?1 AND address = ?2";
        let mut statement = self.connection.prepare_cached(query).map_err(self.wrap())?;
        statement.query_row([network.as_str(), &address.to_string()], |row| row.get(0)).optional().map_err(self.wrap())
    }

    /// All addresses that are held: network, address and holder.
    pub fn held_addresses(&self) -> Result<Vec<(Id, IpAddr, String)>, StoreError> {
        let query = "SELECT network, address, holder FROM held_addresses";
        let mut statement = self.connection.prepare_cached(query).map_err(self.wrap())?;
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?));
        let rows = statement.query_map([], read).and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>);
        let parsed = rows
            .map_err(self.wrap())?
            .into_iter()
            .filter_map(|(network, address, holder)| Some((Id::from(network), address.parse().ok()?, holder)));
        Ok(parsed.collect())
    }

    /// Holds an address of a network for somebody; whoever had it has it no more.
    pub fn hold_address(&self, network: &Id, address: IpAddr, holder: &str) -> Result<(), StoreError> {
        let statement =
            "INSERT INTO held_addresses VALUES (?1, ?2, ?3) ON CONFLICT (network, address) DO UPDATE SET holder = ?3";
        self.execute(statement, params![network.as_str(), address.to_string(), holder])
    }

    /// Lets go of an address; one that nobody holds is fine.
    pub fn release_address(&self, network: &Id, address: IpAddr) -> Result<(), StoreError> {
        let statement = "DELETE FROM held_addresses WHERE network = ?1 AND address = ?2";
        self.execute(statement, [network.as_str(), &address.to_string()])
    }

    /// Lets go of all addresses that somebody holds.
    pub fn release_addresses_of_holder(&self, holder: &str) -> Result<(), StoreError> {
        self.execute("DELETE FROM held_addresses WHERE holder = ?1", [holder])
    }

    /// Lets go of all addresses of a network.
    pub fn release_addresses_of(&self, network: &Id) -> Result<(), StoreError> {
        self.execute("DELETE FROM held_addresses WHERE network = ?1", [network.as_str()])
    }

    /// Gives a network another name.
    pub fn rename_network(&self, network: &Network) -> Result<(), StoreError> {
        self.execute("UPDATE networks SET name = ?2 WHERE id = ?1", [network.id.as_str(), network.name.as_str()])?;
        self.update(network)
    }

    /// Gives a container another name and identifier; its endpoints go along.
    pub fn rename_container(&self, old: &Id, container: &Container) -> Result<(), StoreError> {
        let (id, name) = (container.id.as_str(), container.name.as_str());
        self.execute("UPDATE containers SET id = ?2, name = ?3 WHERE id = ?1", [old.as_str(), id, name])?;
        self.update(container)?;
        for mut endpoint in self.endpoints_of(old)? {
            endpoint.container = container.id.clone();
            self.execute("UPDATE endpoints SET container = ?2 WHERE id = ?1", [endpoint.id.as_str(), id])?;
            self.update(&endpoint)?;
        }
        Ok(())
    }
}

fn parse<T: DeserializeOwned>(body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body).map_err(|source| StoreError::Row { table: RECORDS, source })
}
