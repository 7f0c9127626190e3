//! The speed that is claimed: round trips against Docker's rules, and the time to attach a namespace. One test, so that no
//! other runs beside it; a machine that is too noisy to tell is no failure, one that is clearly slower is.

use std::time::{Duration, Instant};

use netctl::bench::report;
use netctl_tests::{
    demo,
    harness::{Host, Namespace},
};

/// What pinned round trips have to reach, as a multiple of the path that Docker's rules make.
const ROUND_TRIPS: f64 = 1.15;

/// What attaching a namespace may take, half of the times.
const ATTACH: Duration = Duration::from_millis(10);

#[test]
fn round_trips_and_attachment_are_as_fast_as_claimed() -> anyhow::Result<()> {
    let outcome = demo::measure(Duration::from_secs(15))?;
    println!("{}", report::table(&outcome));
    for scenario in &outcome.scenarios {
        let ours = scenario.of("netctl", None).and_then(|series| series.estimate).expect("netctl was measured");
        let (name, best) = (&scenario.name, ours.high);
        assert!(best >= ROUND_TRIPS, "{name}: at most {best:.3} of Docker's rules, {ROUND_TRIPS} are claimed");
    }
    let median = median_of_attaching()?;
    println!("attaching a namespace with a published port, p50: {median:?}");
    assert!(median <= ATTACH, "attaching takes {median:?}, {ATTACH:?} are claimed");
    Ok(())
}

fn median_of_attaching() -> anyhow::Result<Duration> {
    const TIMES: usize = 40;
    let host = Host::new()?;
    host.ok(&["network", "create", "many"])?;
    let mut taken = Vec::new();
    let mut namespaces = Vec::new();
    for number in 0..TIMES {
        let namespace = Namespace::new("box")?;
        let (path, name) = (namespace.path(), format!("box{number}"));
        let (path, port) = (path.to_string_lossy().into_owned(), format!("{}:80", 9000 + number));
        let begin = Instant::now();
        host.ok(&["attach", "--name", &name, "--netns", &path, "--network", "many", "-p", &port])?;
        taken.push(begin.elapsed());
        namespaces.push(namespace);
    }
    taken.sort_unstable();
    host.finish()?;
    drop(namespaces);
    Ok(taken.get(TIMES / 2).copied().unwrap_or_default())
}
