//! Why the state cannot be read or written.

use std::path::PathBuf;

/// A failure of the state file.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite could not do it.
    #[error("the state file {path} cannot be used: {source}", path = path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// SQLite's answer.
        source: rusqlite::Error,
    },
    /// The file system refused.
    #[error("the state file {path} cannot be made: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no state file of ours.
    #[error("{path} is damaged or not a netctl state file; put a copy of it aside and restore a backup", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It was written by a newer netctl.
    #[error("{path} has format {found}, and this netctl knows {known}; use the newer netctl that wrote it", path = path.display())]
    Future {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Several identifiers begin as the one that was typed.
    #[error("{kind} {reference} is ambiguous ({count} matches found based on ID prefix); give more of it, or its name")]
    Ambiguous {
        /// What was looked for.
        kind: &'static str,
        /// What was typed.
        reference: String,
        /// How many there are.
        count: usize,
    },
    /// A row does not hold what it should.
    #[error("a row of {table} cannot be read: {source}")]
    Row {
        /// The table.
        table: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}
