//! Runs the fixtures that the kernel runs too.

use netctl_common::testkit::{checksums_are_right, fixtures};

#[test]
fn every_fixture_holds_on_the_host() {
    let failures: Vec<_> = fixtures()
        .iter()
        .filter_map(|fixture| fixture.check().err().map(|error| format!("{}: {error}", fixture.description)))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_leaves_by_any_fixture_has_right_checksums() {
    use netctl_common::abi::Outcome;
    for fixture in fixtures() {
        let handled = fixture.run();
        if handled.reason.outcome() == Outcome::Forwarded {
            checksums_are_right(&handled.bytes).unwrap_or_else(|error| panic!("{}: {error}", fixture.description));
        }
    }
}

#[test]
fn descriptions_are_unique() {
    let mut seen = std::collections::HashSet::new();
    for fixture in fixtures() {
        assert!(seen.insert(fixture.description), "{}", fixture.description);
    }
}
