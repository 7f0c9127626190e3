//! The order of the scenes.

use std::time::Instant;

use anyhow::Result;

use super::{comparison, nginx::Nginx, scenes};
use crate::harness::Host;

/// Plays all scenes.
///
/// # Errors
/// When something is not as it is told.
pub fn run() -> Result<()> {
    let begin = Instant::now();
    title("A host with one uplink, and a client outside");
    let host = Host::new()?;
    let nginx = Nginx::new()?;
    scenes::containers(&host, &nginx)?;

    title("From outside: a published port, and who the server sees");
    scenes::from_outside(&host, &nginx)?;

    title("Between containers: by name");
    scenes::by_name(&host)?;

    title("From a container to the outside: masquerade");
    scenes::to_outside(&host)?;

    title("From the host itself");
    scenes::from_host(&host)?;

    title("In the middle of a download: nft flush ruleset, and every netctl process killed");
    scenes::survival(&host, &nginx)?;

    title("What is refused, and why");
    scenes::refusals(&host)?;

    title("Round trips a second on one CPU, against a kernel bridge with Docker's iptables rules");
    comparison::run()?;

    title("Cleaning up");
    drop(nginx);
    host.finish()?;
    say(&format!("Nothing is left. The demonstration took {:.1} s.", begin.elapsed().as_secs_f64()));
    Ok(())
}

/// Begins a scene.
fn title(text: &str) {
    println!("\n== {text}");
}

/// Says a sentence.
pub fn say(text: &str) {
    println!("   {text}");
}

/// Shows a command as a user would type it.
pub fn typed(command: &str) {
    println!("   $ {command}");
}
