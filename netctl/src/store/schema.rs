//! The state file: opened, checked, and its tables made.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, ErrorCode, OptionalExtension, Params, config::DbConfig, params};

use super::StoreError;
use crate::model::Endpoint;

/// The format that this version writes; in the file as `user_version`.
const FORMAT: i64 = FIRST + STEPS.len() as i64;

/// The oldest format, whose tables are [`TABLES`].
const FIRST: i64 = 1;

/// Marks the file as ours: "nctl".
const APPLICATION: i64 = 0x6e63_746c;

const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE networks (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, number INTEGER NOT NULL UNIQUE,
    phase TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE containers (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, phase TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE endpoints (id TEXT PRIMARY KEY, container TEXT NOT NULL, network TEXT NOT NULL, slot INTEGER NOT NULL UNIQUE,
    phase TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE INDEX endpoints_by_container ON endpoints (container);
CREATE INDEX endpoints_by_network ON endpoints (network);
";

/// What format 1 lacked: whatever one command looks for is found without a look at all rows. Which endpoints publish ports
/// stands here by blocks of [`PORT_BLOCK`] ports.
const SINCE_2: &str = "
CREATE INDEX networks_unfinished ON networks (id) WHERE phase <> 'ready';
CREATE INDEX containers_unfinished ON containers (id) WHERE phase <> 'ready';
CREATE INDEX endpoints_unfinished ON endpoints (id) WHERE phase <> 'ready';
CREATE INDEX containers_by_cookie ON containers (json_extract(body, '$.origin.cookie'));
CREATE INDEX containers_by_mode ON containers (json_extract(body, '$.network_mode'));
CREATE INDEX endpoints_by_address4 ON endpoints (network, json_extract(body, '$.address4'));
CREATE INDEX endpoints_by_address6 ON endpoints (network, json_extract(body, '$.address6'));
CREATE TABLE ports (protocol INTEGER NOT NULL, block INTEGER NOT NULL, endpoint TEXT NOT NULL,
    PRIMARY KEY (protocol, block, endpoint)) STRICT, WITHOUT ROWID;
CREATE INDEX ports_by_endpoint ON ports (endpoint);
";

/// What format 2 lacked: what other engines have been promised before any container of theirs is there.
const SINCE_3: &str = "
CREATE TABLE records (kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id)) STRICT, WITHOUT ROWID;
CREATE TABLE held_addresses (network TEXT NOT NULL, address TEXT NOT NULL, holder TEXT NOT NULL,
    PRIMARY KEY (network, address)) STRICT, WITHOUT ROWID;
CREATE INDEX held_addresses_by_holder ON held_addresses (holder);
";

/// What a format has that the one before it lacks.
struct Step {
    /// Statements that make it.
    tables: &'static str,
    /// Fills it from the rows of a file that had none.
    fill: fn(&Store) -> Result<(), StoreError>,
}

/// The way from the oldest format to ours, a step a format. A new file takes all of them, an older one those that it lacks.
const STEPS: &[Step] = &[
    Step {
        tables: SINCE_2,
        fill: |store| store.all::<Endpoint>()?.iter().try_for_each(|(endpoint, _)| store.note_ports(endpoint)),
    },
    Step { tables: SINCE_3, fill: |_| Ok(()) },
];

/// How many ports make one row of the table of ports.
pub const PORT_BLOCK: u16 = 64;

/// An open state file.
#[derive(Debug)]
pub struct Store {
    pub(super) connection: Connection,
    path: PathBuf,
}

impl Store {
    /// Opens the state file of a directory, making it if there is none. A file that is not ours, damaged, or newer than
    /// we are is refused and left as it is.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join("state.db");
        if !path.exists() {
            create(&path)?;
        }
        let has_log = fs::metadata(path.with_extension("db-wal")).is_ok_and(|log| log.len() > 0);
        let is_short = match lacks_pages(&path) {
            // SQLite would throw away the log beside an empty file.
            None => return Err(StoreError::Damaged { path }),
            Some(true) if !has_log => return Err(StoreError::Damaged { path }),
            Some(is_short) => is_short,
        };
        let connection = Connection::open(&path).map_err(wrap(&path))?;
        let store = Self { connection, path };
        let wait = std::time::Duration::from_secs(30);
        store.connection.busy_timeout(wait).map_err(wrap(&store.path))?;
        // Each command is a process of its own: merging the log at every end would cost each a flush to the disk.
        let merges = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        store.connection.set_db_config(merges, true).map_err(wrap(&store.path))?;
        store.check()?;
        if is_short {
            store.check_pages()?;
        }
        store.pragma("journal_mode = WAL")?;
        store.pragma("synchronous = NORMAL")?;
        store.upgrade()?;
        Ok(store)
    }

    fn check(&self) -> Result<(), StoreError> {
        let application = self.number("PRAGMA application_id")?;
        let format = self.number("PRAGMA user_version")?;
        if application != APPLICATION {
            return Err(StoreError::Damaged { path: self.path.clone() });
        }
        if format > FORMAT {
            return Err(StoreError::Future { path: self.path.clone(), found: format, known: FORMAT });
        }
        self.number("SELECT count(*) FROM meta").map(|_| ())
    }

    /// Brings a file of an older format up to ours.
    fn upgrade(&self) -> Result<(), StoreError> {
        if self.number("PRAGMA user_version")? == FORMAT {
            return Ok(());
        }
        self.durably(|| {
            // Somebody else may have done a part of it meanwhile, or all.
            let found = self.number("PRAGMA user_version")?;
            let lacking = (FIRST + 1..).zip(STEPS).filter(|(format, _)| *format > found);
            let mut steps = lacking.map(|(_, step)| step);
            steps.try_for_each(|step| {
                self.connection.execute_batch(step.tables).map_err(wrap(&self.path))?;
                (step.fill)(self)
            })?;
            self.pragma(&format!("user_version = {FORMAT}"))
        })
    }

    /// Pages that the file lacks may be in the log still.
    fn check_pages(&self) -> Result<(), StoreError> {
        let answer: Result<String, _> = self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
        match answer {
            Ok(text) if text == "ok" => Ok(()),
            _ => Err(StoreError::Damaged { path: self.path.clone() }),
        }
    }

    fn number(&self, query: &str) -> Result<i64, StoreError> {
        self.connection.query_row(query, [], |row| row.get(0)).map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                StoreError::Damaged { path: self.path.clone() }
            }
            _ if error.sqlite_error_code() == Some(ErrorCode::Unknown) => {
                StoreError::Damaged { path: self.path.clone() }
            }
            _ => wrap(&self.path)(error),
        })
    }

    fn pragma(&self, text: &str) -> Result<(), StoreError> {
        self.connection.execute_batch(&format!("PRAGMA {text};")).map_err(wrap(&self.path))
    }

    /// Runs `change` as one transaction that survives a power cut.
    pub fn durably<T, E: From<StoreError>>(&self, change: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.pragma("synchronous = FULL")?;
        let result = self.atomically(change);
        self.pragma("synchronous = NORMAL")?;
        result
    }

    /// Runs `change` as one transaction.
    pub fn atomically<T, E: From<StoreError>>(&self, change: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(wrap(&self.path))?;
        let result = change();
        let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
        self.connection.execute_batch(end).map_err(wrap(&self.path))?;
        result
    }

    /// A single value.
    pub fn meta(&self, key: &str) -> Result<Option<String>, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT value FROM meta WHERE key = ?1").map_err(self.wrap())?;
        statement.query_row([key], |row| row.get(0)).optional().map_err(self.wrap())
    }

    /// Sets a single value.
    pub fn set_meta(&self, key: &str, value: &str) -> Result<(), StoreError> {
        let statement = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
        self.execute(statement, params![key, value])
    }

    /// Removes all single values whose keys begin so.
    pub fn forget_meta(&self, beginning: &str) -> Result<(), StoreError> {
        let statement = "DELETE FROM meta WHERE substr(key, 1, length(?1)) = ?1";
        self.connection.execute(statement, [beginning]).map(|_| ()).map_err(self.wrap())
    }

    /// Raises with each change that another connection makes.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        self.number("PRAGMA data_version")
    }

    pub(super) fn execute(&self, statement: &str, values: impl Params) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare_cached(statement).map_err(self.wrap())?;
        statement.execute(values).map(|_| ()).map_err(self.wrap())
    }

    pub(super) fn wrap(&self) -> impl FnOnce(rusqlite::Error) -> StoreError + use<> {
        wrap(&self.path)
    }
}

/// A new file takes its place complete: one that is there and empty was cut short.
fn create(path: &Path) -> Result<(), StoreError> {
    let part = path.with_extension("db.part");
    // What a dead command left.
    let _ = fs::remove_file(&part);
    let steps: String = STEPS.iter().map(|step| step.tables).collect();
    let script = format!(
        "BEGIN; PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT}; {TABLES} {steps} COMMIT;"
    );
    Connection::open(&part).and_then(|connection| connection.execute_batch(&script)).map_err(wrap(&part))?;
    fs::rename(&part, path).map_err(|source| StoreError::File { path: path.to_owned(), source })
}

/// Whether the file is shorter than its own header says (SQLite's file format, section 1.3); `None` where there is no
/// whole first page to say it.
fn lacks_pages(path: &Path) -> Option<bool> {
    let mut header = [0; 32];
    let mut file = File::open(path).ok()?;
    file.read_exact(&mut header).ok()?;
    let length = file.metadata().ok()?.len();
    let [.., size_high, size_low] = *header.first_chunk::<18>()?;
    let [.., a, b, c, d] = header;
    let page = match u64::from(u16::from_be_bytes([size_high, size_low])) {
        1 => 65_536,
        size => size,
    };
    let is_whole = header.starts_with(b"SQLite format 3\0") && length >= page;
    is_whole.then_some(length < page.saturating_mul(u32::from_be_bytes([a, b, c, d]).into()))
}

fn wrap(path: &Path) -> impl FnOnce(rusqlite::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::Damaged { path },
        _ => StoreError::Sqlite { path, source },
    }
}
