//! A run from its first scenario to its last, inside the enclosure.

use std::time::{Duration, Instant, SystemTime};

use super::{Ground, How, Listed, traffic};
use crate::bench::{Machine, Outcome, Result, outcome::FORMAT};

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Request {
    /// The scenarios, in the order of the catalogue or as they were asked for.
    pub scenarios: Vec<&'static Listed>,
    /// How long each is measured, at most.
    pub budget: Duration,
}

/// Measures everything that was asked for. `progress` is told what is being done.
pub fn run(request: &Request, mut progress: impl FnMut(&str)) -> Result<Outcome> {
    let (start, began) = (Instant::now(), SystemTime::now());
    let machine = Machine::look()?;
    if machine.noise.is_noisy {
        let idle = machine.noise.idle * 100.0;
        progress(&format!("this machine is noisy: {idle:.0} % idle before the first scenario; expect wide intervals"));
    }
    let count = request.scenarios.len();
    let (mut scenarios, mut failed) = (Vec::new(), Vec::new());
    let prefix = std::cell::RefCell::new(String::new());
    let mut ground = Ground::new(request.budget, |text| progress(&format!("{}{text}", prefix.borrow())))?;
    for (number, listed) in (1..).zip(&request.scenarios) {
        prefix.replace(format!("[{number}/{count}] {}: ", listed.name));
        let measured = match listed.how {
            How::Traffic(data) => traffic::measure(&mut ground, listed, data).map(|one| vec![one]),
            How::Own(measure) => measure(&mut ground, listed).map(|one| vec![one]),
            How::Several(measure) => measure(&mut ground, listed),
        };
        match measured {
            Ok(measured) => scenarios.extend(measured),
            // What the others have measured is worth more than an early end.
            Err(error) if count > 1 => failed.push(format!("{} failed: {error}", listed.name)),
            Err(error) => return Err(error),
        }
        let further = request.scenarios.get(number..).unwrap_or_default();
        ground.keep_only(|name| further.iter().any(|listed| listed.needs(name)));
    }
    drop(ground);
    let began = humantime::format_rfc3339_seconds(began).to_string();
    let seconds = start.elapsed().as_secs_f64();
    let netctl = env!("CARGO_PKG_VERSION").to_owned();
    Ok(Outcome { format: FORMAT, netctl, began, seconds, machine, scenarios, failed })
}
