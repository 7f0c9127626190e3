//! Rows: each is a JSON body with the columns that queries need, and the phase of its last change.

use rusqlite::{Row, ToSql, params};
use serde::{Serialize, de::DeserializeOwned};

use super::{Store, StoreError};
use crate::model::{Container, Endpoint, Id, Network};

/// How far a change has come. Whoever finds another phase than `Ready` under the lock finishes or undoes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Recorded; the kernel may know a part of it.
    Creating,
    /// Complete.
    Ready,
    /// To be gone; the kernel may know a part of it.
    Removing,
}

impl Phase {
    const fn name(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Ready => "ready",
            Self::Removing => "removing",
        }
    }

    fn of(name: &str) -> Self {
        match name {
            "ready" => Self::Ready,
            "creating" => Self::Creating,
            _ => Self::Removing,
        }
    }
}

/// A kind of row.
pub trait Stored: Serialize + DeserializeOwned {
    /// Its table.
    const TABLE: &'static str;
    /// What people call one.
    const KIND: &'static str;
    /// The statement that inserts one.
    const INSERT: &'static str;
    /// Its identifier.
    fn id(&self) -> &Id;
    /// The columns of [`Stored::INSERT`] between the identifier and the phase.
    fn columns(&self) -> Vec<Box<dyn ToSql>>;
    /// The endpoint that it is, whose ports are noted.
    fn endpoint(&self) -> Option<&Endpoint> {
        None
    }
}

impl Stored for Network {
    const TABLE: &'static str = "networks";
    const KIND: &'static str = "network";
    const INSERT: &'static str = "INSERT INTO networks (id, name, number, phase, body) VALUES (?1, ?2, ?3, ?4, ?5)";

    fn id(&self) -> &Id {
        &self.id
    }

    fn columns(&self) -> Vec<Box<dyn ToSql>> {
        vec![Box::new(self.name.as_str().to_owned()), Box::new(self.number)]
    }
}

impl Stored for Container {
    const TABLE: &'static str = "containers";
    const KIND: &'static str = "container";
    const INSERT: &'static str = "INSERT INTO containers (id, name, phase, body) VALUES (?1, ?2, ?3, ?4)";

    fn id(&self) -> &Id {
        &self.id
    }

    fn columns(&self) -> Vec<Box<dyn ToSql>> {
        vec![Box::new(self.name.as_str().to_owned())]
    }
}

impl Stored for Endpoint {
    const TABLE: &'static str = "endpoints";
    const KIND: &'static str = "endpoint";
    const INSERT: &'static str =
        "INSERT INTO endpoints (id, container, network, slot, phase, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

    fn id(&self) -> &Id {
        &self.id
    }

    fn columns(&self) -> Vec<Box<dyn ToSql>> {
        vec![
            Box::new(self.container.as_str().to_owned()),
            Box::new(self.network.as_str().to_owned()),
            Box::new(self.slot),
        ]
    }

    fn endpoint(&self) -> Option<&Endpoint> {
        Some(self)
    }
}

impl Store {
    /// Inserts a row.
    pub fn insert<T: Stored>(&self, item: &T, phase: Phase) -> Result<(), StoreError> {
        let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(item.id().as_str().to_owned())];
        values.extend(item.columns());
        values.push(Box::new(phase.name()));
        values.push(Box::new(body(item)?));
        let values: Vec<&dyn ToSql> = values.iter().map(AsRef::as_ref).collect();
        self.execute(T::INSERT, values.as_slice())?;
        item.endpoint().map_or(Ok(()), |endpoint| self.note_ports(endpoint))
    }

    /// Replaces the body of a row.
    pub fn update<T: Stored>(&self, item: &T) -> Result<(), StoreError> {
        let statement = format!("UPDATE {} SET body = ?2 WHERE id = ?1", T::TABLE);
        self.execute(&statement, params![item.id().as_str(), body(item)?])?;
        item.endpoint().map_or(Ok(()), |endpoint| self.note_ports(endpoint))
    }

    /// Sets the phase of a row.
    pub fn set_phase<T: Stored>(&self, id: &Id, phase: Phase) -> Result<(), StoreError> {
        let statement = format!("UPDATE {} SET phase = ?2 WHERE id = ?1", T::TABLE);
        self.execute(&statement, params![id.as_str(), phase.name()])
    }

    /// Removes a row.
    pub fn delete<T: Stored>(&self, id: &Id) -> Result<(), StoreError> {
        let statement = format!("DELETE FROM {} WHERE id = ?1", T::TABLE);
        self.execute(&statement, [id.as_str()])?;
        if T::TABLE == Endpoint::TABLE { self.forget_ports(id) } else { Ok(()) }
    }

    /// All rows with their phases, in the order of insertion.
    pub fn all<T: Stored>(&self) -> Result<Vec<(T, Phase)>, StoreError> {
        self.select(&format!("SELECT body, phase FROM {} ORDER BY rowid", T::TABLE), &[])
    }

    /// Rows whose last change is not complete.
    pub fn unfinished<T: Stored>(&self) -> Result<Vec<(T, Phase)>, StoreError> {
        // Left to itself, SQLite looks at all rows to have them in order.
        let query = "SELECT body, phase FROM {t} INDEXED BY {t}_unfinished WHERE phase <> 'ready' ORDER BY rowid";
        self.select(&query.replace("{t}", T::TABLE), &[])
    }

    /// The endpoints of a container.
    pub fn endpoints_of(&self, container: &Id) -> Result<Vec<Endpoint>, StoreError> {
        Ok(self.phased_endpoints_of(container)?.into_iter().map(|(endpoint, _)| endpoint).collect())
    }

    /// The endpoints of a container, with how far each has come.
    pub fn phased_endpoints_of(&self, container: &Id) -> Result<Vec<(Endpoint, Phase)>, StoreError> {
        self.select("SELECT body, phase FROM endpoints WHERE container = ?1 ORDER BY rowid", &[&container.as_str()])
    }

    /// The endpoints on a network.
    pub fn endpoints_on(&self, network: &Id) -> Result<Vec<Endpoint>, StoreError> {
        let query = "SELECT body, phase FROM endpoints WHERE network = ?1 ORDER BY rowid";
        Ok(self.select(query, &[&network.as_str()])?.into_iter().map(|(endpoint, _)| endpoint).collect())
    }

    /// The row of that identifier, or else of that name, or else of the one identifier that begins so.
    pub fn find<T: Stored>(&self, reference: &str) -> Result<Option<T>, StoreError> {
        let by_id = format!("SELECT body, phase FROM {} WHERE id = ?1", T::TABLE);
        if let Some((item, _)) = self.select(&by_id, &[&reference])?.pop() {
            return Ok(Some(item));
        }
        if let Some(item) = self.named(reference)? {
            return Ok(Some(item));
        }
        if reference.is_empty() || !reference.chars().all(|c| c.is_ascii_hexdigit()) {
            return Ok(None);
        }
        // No digit is greater than g.
        let by_prefix = format!("SELECT body, phase FROM {} WHERE id >= ?1 AND id < ?1 || 'g'", T::TABLE);
        let mut found: Vec<(T, Phase)> = self.select(&by_prefix, &[&reference.to_ascii_lowercase()])?;
        match found.len() {
            0 | 1 => Ok(found.pop().map(|(item, _)| item)),
            count => Err(StoreError::Ambiguous { kind: T::KIND, reference: reference.to_owned(), count }),
        }
    }

    /// The row of that identifier, if its last change is complete.
    pub fn ready<T: Stored>(&self, id: &str) -> Result<Option<T>, StoreError> {
        let query = format!("SELECT body, phase FROM {} WHERE id = ?1 AND phase = 'ready'", T::TABLE);
        Ok(self.select(&query, &[&id])?.pop().map(|(item, _)| item))
    }

    /// The row of that name.
    pub fn named<T: Stored>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let by_name = format!("SELECT body, phase FROM {} WHERE name = ?1", T::TABLE);
        Ok(self.select(&by_name, &[&name])?.pop().map(|(item, _)| item))
    }

    pub(super) fn select<T: Stored>(&self, query: &str, values: &[&dyn ToSql]) -> Result<Vec<(T, Phase)>, StoreError> {
        let mut statement = self.connection.prepare_cached(query).map_err(self.wrap())?;
        let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        let rows = statement.query_map(values, read).map_err(self.wrap())?;
        let mut items = Vec::new();
        for row in rows {
            let (body, phase) = row.map_err(self.wrap())?;
            let item = serde_json::from_str(&body).map_err(|source| StoreError::Row { table: T::TABLE, source })?;
            items.push((item, Phase::of(&phase)));
        }
        Ok(items)
    }
}

fn body<T: Stored>(item: &T) -> Result<String, StoreError> {
    serde_json::to_string(item).map_err(|source| StoreError::Row { table: T::TABLE, source })
}
