//! Waiting for a condition with a deadline: the only place of the harness that sleeps. Not a retry of failed operations.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const POLL: Duration = Duration::from_millis(2);

/// Polls `condition` until it holds.
///
/// # Errors
/// The condition's own error, at once, or that `what` did not hold within `deadline`.
pub fn until(deadline: Duration, what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !condition().with_context(|| format!("waiting for {what}"))? {
        if start.elapsed() >= deadline {
            bail!("{what}: not within {deadline:?}");
        }
        thread::sleep(POLL);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_holds_ends_the_wait() -> Result<()> {
        let mut polls = 0;
        until(Duration::from_secs(1), "three polls", || {
            polls += 1;
            Ok(polls == 3)
        })?;
        assert_eq!(polls, 3);
        Ok(())
    }

    #[test]
    fn a_missed_deadline_names_what_was_awaited() {
        let error = until(Duration::ZERO, "the listener", || Ok(false)).err().map(|error| error.to_string());
        assert!(error.is_some_and(|text| text.contains("the listener")));
    }

    #[test]
    fn an_error_ends_the_wait_at_once() {
        let start = Instant::now();
        assert!(until(Duration::from_secs(60), "nothing", || bail!("broken")).is_err());
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}
