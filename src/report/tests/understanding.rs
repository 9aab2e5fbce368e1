//! What a reader is told of a verdict, on made-up runs.

use crate::answer::*;
use crate::report::fixture;
use crate::words::understanding::*;

fn answer(paragraphs: &[Paragraph], title: &str) -> Option<String> {
    paragraphs.iter().find(|p| p.title == title).map(|p| p.text.clone())
}

#[test]
fn a_leak_is_told_in_numbers_of_production() {
    let (record, verdict) = fixture::leak();
    let text = answer(&explain(&record, &verdict), "What it means in production").unwrap();
    assert!(text.contains("A million requests to a worker cost 3.91 GiB"), "{text}");
    assert!(text.contains("Recycling a worker after "), "{text}");
}

#[test]
fn a_clean_run_has_nothing_to_say_of_production() {
    let (record, verdict) = fixture::warm_up();
    assert_eq!(answer(&explain(&record, &verdict), "What it means in production"), None);
}

#[test]
fn clean_growth_under_a_failed_workload_is_not_called_clean() {
    let (record, mut verdict) = fixture::warm_up();
    verdict.outcome = Outcome::Inconclusive;
    verdict.exit = ExitCode::Workload;
    verdict.gates[2].state = GateState::Fail;
    let text = answer(&explain(&record, &verdict), "What the verdict says").unwrap();
    assert!(text.ends_with("doesn't count as clean because of error rate (measured 0.0833 %, allowed 1 %)."), "{text}");
}
