//! `netctl network rm` and `prune`.

use std::{
    io::{IsTerminal, Write},
    time::{Duration, SystemTime},
};

use clap::Args;
use netctl::{
    engine::{Dirs, Engine, Error, Result},
    model::{FilterError, Filters},
    serve::{self, Changed},
};

use super::{dispatch::Outcome, echo::Echo, output};

#[derive(Debug, Args)]
pub struct NetworkRm {
    /// One that is not there is fine
    #[arg(short, long)]
    pub force: bool,
    #[command(flatten)]
    pub echo: Echo,
    #[arg(required = true, value_name = "NETWORK")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct NetworkPrune {
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
    /// Only networks with this: label, label! or until
    #[arg(long, value_name = "NAME=VALUE")]
    pub filter: Vec<String>,
    #[command(flatten)]
    pub echo: Echo,
}

const FILTERS: [&str; 3] = ["label", "label!", "until"];

/// Removes networks, echoing each; one that cannot be removed does not keep the others.
pub fn rm(dirs: &Dirs, arguments: &NetworkRm) -> Outcome {
    let removed = |name: &str| match Engine::change(dirs, |engine| engine.remove_network(name)) {
        Err(Error::NoNetwork(_)) if arguments.force => Ok(false),
        done => done.map(|()| true),
    };
    let outcome = arguments.echo.each(&arguments.names, removed);
    serve::nudge(dirs, Changed::Networks);
    outcome
}

/// Removes networks that no container refers to.
pub fn prune(dirs: &Dirs, arguments: &NetworkPrune) -> Outcome {
    let filters = Filters::read(&arguments.filter, &FILTERS).map_err(Error::Filters)?;
    let now = SystemTime::now();
    let limits: Vec<_> = filters.values("until").map(|text| limit(text, now)).collect();
    let (limits, errors): (Vec<_>, Vec<_>) = limits.into_iter().partition(std::result::Result::is_ok);
    if !errors.is_empty() {
        return Err(Error::Filters(errors.into_iter().filter_map(std::result::Result::err).collect()));
    }
    let limit = limits.into_iter().flatten().min();
    if !arguments.force && !agrees()? {
        return Ok(1);
    }
    let removed = Engine::open(dirs)?.prune_networks(|network| {
        let is_old = |limit: SystemTime| humantime::parse_rfc3339(&network.created).is_ok_and(|made| made < limit);
        filters.labels(&network.labels) && filters.without_labels(&network.labels) && limit.is_none_or(is_old)
    })?;
    serve::nudge(dirs, Changed::Networks);
    if arguments.echo.json {
        output::line(&serde_json::json!(removed))?;
    } else if !removed.is_empty() {
        output::out("Deleted Networks:")?;
        removed.iter().try_for_each(|name| output::out(name.as_str()))?;
    }
    Ok(0)
}

/// Asks whoever sits at a terminal; without one, the command itself is the answer.
fn agrees() -> Result<bool> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Ok(true);
    }
    let mut messages = std::io::stderr();
    let question = "WARNING! This will remove all custom networks not used by at least one container.\n\
                    Are you sure you want to continue? [y/N] ";
    let asked = messages.write_all(question.as_bytes()).and_then(|()| messages.flush());
    asked.map_err(Error::file("write to", "standard error"))?;
    let mut answer = String::new();
    input.read_line(&mut answer).map_err(Error::file("read", "standard input"))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The time that is meant: how long ago, a date, a date and a time, or seconds since 1970.
fn limit(text: &str, now: SystemTime) -> std::result::Result<SystemTime, FilterError> {
    let cure = "give how long ago, such as 24h, or a time, such as 2026-01-31T12:00:00";
    let refused = || FilterError::value("until", text, cure);
    if let Ok(seconds) = text.parse() {
        return SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).ok_or_else(refused);
    }
    if let Ok(ago) = humantime::parse_duration(text) {
        return now.checked_sub(ago).ok_or_else(refused);
    }
    let time =
        humantime::parse_rfc3339_weak(text).or_else(|_| humantime::parse_rfc3339_weak(&format!("{text}T00:00:00")));
    time.map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_how_long_ago_or_when() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let seconds = |text: &str| limit(text, now).unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        for (text, expected) in [
            ("1h30m", 1_000_000 - 5_400),
            ("10s", 999_990),
            ("86400", 86_400),
            ("1970-01-02", 86_400),
            ("1970-01-02T00:00:01", 86_401),
            ("1970-01-02T00:00:01Z", 86_401),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
        assert!(limit("yesterday", now).is_err());
    }
}
