//! Both documents of one made-up run, which has a win, a loss, a curve, latencies and a contestant that is missing.

use super::{html, markdown};
use crate::bench::{
    Estimate, Machine, Noise, Verdict,
    outcome::{
        Better, Distribution, FORMAT, Measure, Met, Outcome, Qualification, Role, Scenario, Series, Skipped, Target,
        Unit,
    },
};

fn estimate(ratio: f64) -> Estimate {
    Estimate { value: ratio, low: ratio * 0.99, high: ratio * 1.01, rounds: 20 }
}

fn series(contestant: &str, role: Role, x: Option<f64>, typical: f64, ratio: Option<(f64, Verdict)>) -> Series {
    Series {
        contestant: contestant.to_owned(),
        role,
        x,
        samples: (0..20).map(|number| typical * (1.0 + f64::from(number % 5) / 100.0)).collect(),
        typical,
        estimate: ratio.map(|(ratio, _)| estimate(ratio)),
        verdict: ratio.map(|(_, verdict)| verdict),
        share: (role == Role::Ours).then(|| estimate(0.88)),
        distribution: None,
    }
}

fn distribution(scale: u64) -> Distribution {
    let buckets: Vec<(u64, u64)> = [(12, 5_000), (14, 3_000), (20, 1_500), (40, 400), (90, 80), (300, 20)]
        .map(|(time, count)| (time * scale, count))
        .to_vec();
    Distribution {
        count: 10_000,
        p50: 12 * scale,
        p90: 20 * scale,
        p99: 40 * scale,
        p999: 90 * scale,
        max: 300 * scale,
        buckets,
    }
}

fn scenario(row: u8, name: &str, unit: Unit, series: Vec<Series>) -> Scenario {
    let better = if unit == Unit::Seconds { Better::Lower } else { Better::Higher };
    Scenario {
        row: Some(row),
        name: name.to_owned(),
        what: "From one container to another of the same network.".to_owned(),
        unit,
        better,
        peer: "Docker's rules".to_owned(),
        limit: Some("raw veth".to_owned()),
        x: None,
        series,
        skipped: Vec::new(),
        targets: Vec::new(),
        qualification: Some(Qualification { samples: vec![1.0; 20], estimate: estimate(1.0), holds: true }),
        notes: Vec::new(),
    }
}

fn target(measure: Measure, reach: f64, stretch: Option<f64>, measured: f64, met: Met) -> Target {
    let measured = Some(estimate(measured));
    Target { measure, contestant: "netctl".to_owned(), x: None, reach, stretch, measured, met }
}

fn round_trips() -> Scenario {
    let mut all = vec![
        series("Docker's rules", Role::Peer, None, 48_000.0, None),
        series("netctl", Role::Ours, None, 61_000.0, Some((1.27, Verdict::Win))),
        series("raw veth", Role::Limit, None, 63_000.0, Some((1.31, Verdict::Win))),
        series("CNI bridge & portmap", Role::Other, None, 47_900.0, Some((0.998, Verdict::Level))),
    ];
    for (series, scale) in all.iter_mut().zip([1_300, 1_000, 950, 1_310]) {
        series.distribution = Some(distribution(scale));
    }
    let mut made = scenario(2, "tcp-round-trips", Unit::OperationsPerSecond, all);
    made.targets.push(target(Measure::ShareOfGap, 0.8, Some(0.95), 0.88, Met::Reached));
    made.skipped.push(Skipped {
        contestant: "netavark".to_owned(),
        why: "no netavark here".to_owned(),
        package: Some("netavark".to_owned()),
    });
    made
}

fn streams() -> Scenario {
    let all = vec![
        series("Docker's rules", Role::Peer, None, 16.8e9, None),
        series("netctl", Role::Ours, None, 15.1e9, Some((0.9, Verdict::Loss))),
        series("raw veth", Role::Limit, None, 18.8e9, Some((1.12, Verdict::TooNoisy))),
    ];
    let mut made = scenario(1, "tcp-stream", Unit::BitsPerSecond, all);
    let times = Measure::TimesBetter { than: "Docker's rules".to_owned(), x: None };
    made.targets.push(target(times, 1.1, None, 0.9, Met::Missed));
    made
}

fn set_up() -> Scenario {
    let mut all = Vec::new();
    for (place, x) in [0.0, 100.0, 1000.0].into_iter().enumerate() {
        let slower = 1.0 + f64::from(u8::try_from(place).unwrap_or(0)) * 0.8;
        all.push(series("Docker's rules", Role::Peer, Some(x), 0.14 * slower, None));
        all.push(series("netctl", Role::Ours, Some(x), 0.0063, Some((22.0 * slower, Verdict::Win))));
        all.push(series("netavark", Role::Other, Some(x), 0.058 * slower, Some((2.4, Verdict::Win))));
    }
    let mut made = scenario(17, "set-up", Unit::Seconds, all);
    made.x = Some("existing endpoints".to_owned());
    let mut limit = target(Measure::PercentileAtMost { percentile: 99.0 }, 0.01, None, 0.0066, Met::Reached);
    limit.x = Some(1000.0);
    made.targets.push(limit);
    made
}

fn outcome() -> Outcome {
    let machine = Machine {
        kernel: "6.18.0".to_owned(),
        cpu: "A <processor>".to_owned(),
        cpus: 2,
        memory: 24 << 30,
        offloads: vec!["tso".to_owned(), "gro".to_owned()],
        mtu: 1500,
        qdisc: "noqueue".to_owned(),
        congestion_control: "cubic".to_owned(),
        noise: Noise { idle: 0.6, steal: 0.02, is_noisy: true },
        ..Machine::default()
    };
    Outcome {
        format: FORMAT,
        netctl: "0.1.0".to_owned(),
        began: "2026-01-01T00:00:00Z".to_owned(),
        seconds: 90.0,
        machine,
        failed: Vec::new(),
        scenarios: vec![streams(), round_trips(), set_up()],
    }
}

type Outcomes = Result<(), Box<dyn std::error::Error>>;

#[test]
fn the_page_fetches_nothing_and_runs_nothing() -> Outcomes {
    let page = html(&outcome())?;
    for word in ["http:", "https:", "src=", "@import", "url(", "<link", "javascript"] {
        assert!(!page.contains(word), "{word}");
    }
    assert_eq!(page.matches("<script").count(), 1, "the samples alone");
    Ok(())
}

#[test]
fn the_page_names_every_contestant_every_loss_and_what_is_missing() -> Outcomes {
    let page = html(&outcome())?;
    let words = [
        "CNI bridge &amp; portmap",
        "raw veth",
        "netavark did not take part",
        "Debian package netavark",
        "A &lt;processor&gt;",
    ];
    for word in
        words.into_iter().chain([">loss<", ">win<", ">level<", ">too noisy<", ">missed<", ">reached<", "was noisy"])
    {
        assert!(page.contains(word), "{word}");
    }
    assert!(page.contains("<b class=\"loss\">1</b>losses"));
    Ok(())
}

/// Every element that is opened is closed in order, but for those that HTML never closes.
#[test]
fn the_page_is_well_formed() -> Outcomes {
    let page = html(&outcome())?;
    let mut open = Vec::new();
    for piece in page.split('<').skip(2) {
        let name: String = piece.chars().take_while(|sign| sign.is_ascii_alphanumeric() || *sign == '/').collect();
        let tag = piece.split('>').next().unwrap_or_default();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop().as_deref(), Some(name), "<{piece}"),
            None if ["meta", "br"].contains(&name.as_str()) || tag.ends_with('/') => {}
            None => open.push(name),
        }
    }
    assert_eq!(open, [""; 0]);
    Ok(())
}

#[test]
fn the_page_holds_the_run_itself() -> Outcomes {
    let page = html(&outcome())?;
    let (_, rest) = page.split_once("id=\"outcome\">").ok_or("no samples")?;
    let (json, _) = rest.split_once("</script>").ok_or("no end")?;
    let read: Outcome = serde_json::from_str(json)?;
    assert_eq!(read.machine, outcome().machine);
    let samples = |outcome: &Outcome| {
        outcome.scenarios.iter().flat_map(|scenario| &scenario.series).map(|series| series.samples.len()).sum::<usize>()
    };
    assert_eq!(samples(&read), samples(&outcome()));
    Ok(())
}

#[test]
fn every_chart_has_a_title_and_a_description() -> Outcomes {
    let page = html(&outcome())?;
    let charts = page.matches("<svg ").count();
    assert_eq!(charts, 5, "two of bars, one of latency, two of set-up");
    assert_eq!([page.matches("<title id=").count(), page.matches("<desc id=").count()], [charts; 2]);
    assert!(page.contains("netctl: 6.30 ms at 0, 6.30 ms at 1,000"), "the set-up chart in words");
    Ok(())
}

#[test]
fn the_document_has_targets_contestants_and_places_for_explanations() {
    let text = markdown(&outcome());
    let rows = [
        "| Row 2: tcp round trips | Docker's rules | 1.270 | 1.257–1.283 | 88 % | win | netctl: share of the gap ≥ 80 % (95 %) | 88 % (87 %–89 %) | reached |",
        "| Row 1: tcp stream | Docker's rules | 0.900 | 0.891–0.909 | 88 % | loss | netctl: times Docker's rules ≥ 1.100 × | 0.900 × (0.891 ×–0.909 ×) | **missed** |",
        "<!-- row 17 -->",
        "- netavark did not take part: no netavark here (Debian package netavark).",
    ];
    for row in rows {
        assert!(text.lines().any(|line| line == row), "{row}\n{text}");
    }
}

#[test]
fn what_was_counted_once_has_no_interval() -> Outcomes {
    let mut outcome = outcome();
    let estimates = outcome.scenarios.iter_mut().flat_map(|scenario| &mut scenario.series);
    estimates.filter_map(|series| series.estimate.as_mut()).for_each(|estimate| estimate.rounds = 1);
    let page = html(&outcome)?;
    assert!(page.contains("counted") && !page.contains("1.257–1.283"), "{page}");
    Ok(())
}
