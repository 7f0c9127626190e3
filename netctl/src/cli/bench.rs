//! `netctl bench`: what is asked for, and what is printed of it.

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use netctl::{
    bench::{
        Outcome as Found,
        enclosure::{End, enclose},
        outcome::Scenario,
        report,
        scenarios::{CATALOGUE, Request, find, run},
    },
    engine::{Error, Result},
};

use super::{dispatch::Outcome, output};

#[derive(Debug, Args)]
pub struct Bench {
    /// What to measure; everything if none is named
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Also write a report: Markdown for .md, JSON for .json, else one page of HTML
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,
    /// Also tell of scenarios that were measured elsewhere, a list in JSON
    #[arg(long, value_name = "FILE")]
    add: Vec<PathBuf>,
    /// Print the outcome as JSON, with all samples
    #[arg(long)]
    json: bool,
    /// How long each scenario is measured, at most
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = humantime::parse_duration)]
    budget: Duration,
    /// List the scenarios
    #[arg(long, exclusive = true)]
    list: bool,
}

/// Measures, prints a table or JSON, and writes reports. Ended by a signal, it has cleared everything away.
pub fn bench(arguments: &Bench) -> Outcome {
    if arguments.list {
        return list();
    }
    let scenarios = chosen(&arguments.scenarios)?;
    if !nix::unistd::Uid::effective().is_root() {
        return Err(Error::NotRoot);
    }
    let added = arguments.add.iter().map(|path| added(path)).collect::<Result<Vec<_>>>()?;
    let request = Request { scenarios, budget: arguments.budget };
    let tell = |text: &str| drop(writeln!(std::io::stderr(), "{text}"));
    match enclose(|| run(&request, tell))? {
        End::Interrupted(signal) => Ok(u8::try_from(128 + signal as i32).unwrap_or(1)),
        End::Finished(mut found) => {
            found.scenarios.extend(added.into_iter().flatten());
            arguments.report.iter().try_for_each(|path| report::write(&found, path))?;
            print(&found, arguments.json)?;
            for failure in &found.failed {
                tell(failure);
            }
            Ok(u8::from(!found.failed.is_empty()))
        }
    }
}

/// Read before anything is measured, which takes long.
fn added(path: &Path) -> Result<Vec<Scenario>> {
    let failed = || netctl::bench::Error::file("read the scenarios of", path);
    let text = std::fs::read_to_string(path).map_err(failed())?;
    Ok(serde_json::from_str(&text).map_err(|error| failed()(error.into()))?)
}

/// Every name that is unknown is told.
fn chosen(names: &[String]) -> Result<Vec<&'static netctl::bench::scenarios::Listed>> {
    if names.is_empty() {
        return Ok(CATALOGUE.iter().collect());
    }
    let (mut scenarios, mut errors) = (Vec::new(), Vec::new());
    for name in names {
        find(name).map_or_else(|error| errors.push(Error::from(error)), |listed| scenarios.push(listed));
    }
    if errors.is_empty() { Ok(scenarios) } else { Err(Error::Invalid(errors)) }
}

fn list() -> Outcome {
    let width = CATALOGUE.iter().map(|listed| listed.name.len()).max().unwrap_or_default();
    for listed in CATALOGUE {
        output::out(&format!("{:width$}   {}", listed.name, listed.what))?;
    }
    Ok(0)
}

fn print(found: &Found, json: bool) -> Result<()> {
    if json {
        return output::line(
            &serde_json::to_value(found).map_err(|error| {
                Error::file("print the outcome to", "standard output")(std::io::Error::other(error))
            })?,
        );
    }
    output::out(report::table(found).trim_end())
}
