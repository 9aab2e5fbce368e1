//! Series that a server lists and answers no reading of: each is judged, told to have ended, or named as not judged.

use super::stand_in::{Asked, Reply, Series, StandIn, long_ago};
use super::watch::Running;
use super::{MIB, answer, fleet, lines, memory, pod, right};
use crate::common::Bench;
use std::sync::atomic::{AtomicBool, Ordering};

const STEP: f64 = 30.0;

/// Whether a moment is one of those that are asked for.
fn is_asked_for(t: f64) -> bool {
    (t % STEP).abs() < 1e-3
}

fn other(value: impl Fn(f64) -> Option<f64> + Send + Sync + 'static) -> Series {
    Series::new("mem", &[("job", "shop"), ("pod", "other")], value)
}

#[test]
fn what_is_listed_and_has_no_size_is_named_and_no_pass() {
    let bench = Bench::new();
    type Value = fn(f64) -> Option<f64>;
    let cases: [(&str, Value, &str); 4] = [
        ("nothing at all", |_| None, "answers no reading of it, of this time or the 15 days before"),
        ("no number", |_| Some(f64::NAN), "none of its 241 readings is a size"),
        ("infinite", |_| Some(f64::INFINITY), "none of its 241 readings is a size"),
        ("negative", |_| Some(-1.0), "none of its 241 readings is a size"),
    ];
    for (name, value, told) in cases {
        let server = StandIn::new(vec![pod("a", 0.0), other(value)], right);
        let ended = fleet(&bench, &server.url, &["--memory", "mem", "--inconclusive", "pass", "--format", "jsonl"]);
        assert_eq!(ended.code, Some(1), "{name}: {}", ended.story());
        let lines = lines(&ended);
        assert_eq!((lines.len(), &lines[0]["labels"]["pod"]), (2, &"other".into()), "{name}: {}", ended.story());
        assert!(lines[0]["error"].as_str().unwrap().contains(told), "{name}: {}", lines[0]);
        let together = fleet(&bench, &server.url, &["--memory", "mem", "--by", "job"]);
        assert_eq!(together.code, Some(1), "{name}: {}", together.story());
        let told = "the fleet is NOT JUDGED WHOLE: of 2 series 1 could not be judged, 1 is clean.";
        assert!(together.stdout.contains(told), "{name}: {}", together.story());
    }
    // A leak is one beside it.
    let server = StandIn::new(vec![pod("a", 300.0), other(|_| None)], right);
    assert_eq!(fleet(&bench, &server.url, &["--memory", "mem"]).code, Some(10));
}

#[test]
fn what_the_answer_lacks_is_asked_for_again_and_judged() {
    let bench = Bench::new();
    let leaks = memory(300.0);
    let server = StandIn::new(vec![pod("a", 0.0), other(move |t| leaks(t).filter(|_| !is_asked_for(t)))], right);
    let ended = fleet(&bench, &server.url, &["--memory", "mem", "--format", "jsonl"]);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert_eq!(lines(&ended)[0]["labels"]["pod"], "other");
    // What comes and goes between two moments is told, and keeps the others from nothing.
    let hour_ago = (long_ago() / STEP).floor() * STEP + 71.0 * 3600.0;
    let short = other(move |t| (t > hour_ago && t < hour_ago + STEP).then_some(50.0 * MIB));
    let server = StandIn::new(vec![pod("a", 0.0), short], right);
    let ended = fleet(&bench, &server.url, &["--memory", "mem"]);
    assert_eq!(ended.code, Some(0), "{}", ended.story());
    assert!(ended.stdout.contains("of 2 series 1 lived too briefly to be judged, 1 is clean"), "{}", ended.story());
}

#[test]
fn what_had_ended_before_is_told_and_keeps_nothing_from_passing() {
    let bench = Bench::new();
    let before = long_ago();
    let server = StandIn::new(
        vec![pod("a", 0.0), other(move |t| (t < before).then_some(50.0 * MIB)), Series::new("mem", &[], |_| Some(0.0))],
        right,
    );
    let ended = fleet(&bench, &server.url, &["--memory", "mem"]);
    assert_eq!(ended.code, Some(0), "{}", ended.story());
    assert!(ended.stdout.contains("2 series"), "{}", ended.story());
    assert!(ended.stdout.contains("their last reading was before, or they are 0 all the time"), "{}", ended.story());
    // If that is all, it is no fleet.
    let ended = fleet(&bench, &server.url, &["--memory", "mem{pod=\"other\"}"]);
    assert_eq!(ended.code, Some(1), "{}", ended.story());
    assert!(ended.stdout.contains("the fleet is EMPTY"), "{}", ended.story());
}

#[test]
fn what_an_expression_had_and_has_no_more_is_named() {
    const NOTHING: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
    let first = AtomicBool::new(true);
    let server = StandIn::new(vec![pod("a", 0.0)], move |_: &Asked| {
        let listing = first.swap(false, Ordering::SeqCst);
        if listing { Reply::Right } else { Reply::Raw(answer(200, NOTHING.len(), NOTHING)) }
    });
    let ended = fleet(&Bench::new(), &server.url, &["--memory", "sum(mem)"]);
    assert_eq!(ended.code, Some(1), "{}", ended.story());
    assert!(ended.stdout.contains("when the series were listed, and answers none now"), "{}", ended.story());
}

#[test]
fn a_watch_counts_what_it_never_had_a_reading_of() {
    let bench = Bench::new();
    let server = StandIn::new(vec![pod("a", 0.0), other(|_| None)], right);
    let running = Running::new(&bench, &server.url, &[]);
    let text = running.until(r#"seepage_fleet_verdict{job="shop",pod="other",seepage_fleet_verdict="not_judged"} 1"#);
    assert!(text.contains("seepage_fleet_series_judged 1\n"), "{text}");
    assert!(text.contains("seepage_fleet_failures_total 0\n"), "{text}");
}

#[test]
fn what_grows_while_the_server_has_no_reading_is_no_pass() {
    let bench = Bench::new();
    // Twice ten minutes of the two hours are lacking.
    let hours = |t: f64| (t - long_ago()) / 3600.0 - 70.0;
    let missed = [0.6, 1.3];
    let is_read = move |t: f64| missed.iter().all(|from| !(*from..from + 1.0 / 6.0).contains(&hours(t)));
    let times_missed = move |t: f64| missed.iter().filter(|from| hours(t) > **from).count() as f64;
    for (mib, passes) in [(40.0, false), (0.0, true), (-10.0, true)] {
        let flat = memory(0.0);
        let cut = other(move |t| Some(flat(t)? + mib * MIB * times_missed(t)).filter(|_| is_read(t)));
        let server = StandIn::new(vec![pod("a", 0.0), cut], right);
        let ended = fleet(&bench, &server.url, &["--memory", "mem"]);
        assert_eq!(ended.code == Some(0), passes, "{mib} MiB: {}", ended.story());
    }
}
