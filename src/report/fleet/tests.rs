use super::*;
use crate::report::fixture;
use crate::table::{Asked, Readings, SeriesRow, of_series, usual_budgets};
use base64::Engine;
use sha2::{Digest, Sha256};

fn labels(pod: &str) -> Labels {
    [("job", "shop"), ("pod", pod)].map(|(label, value)| (label.to_owned(), value.to_owned())).into()
}

/// A fleet with a series of each outcome.
fn fleet() -> FleetReport {
    let judged =
        |pod: &str, (record, verdict): (RunRecord, Verdict)| FleetSeries::judged(&labels(pod), &record, &verdict, 1e3);
    let series = vec![
        judged("clean", fixture::warm_up()),
        FleetSeries::failed(&labels("away"), "http://127.0.0.1:9090: it answered with status 503; ask for less"),
        judged("leaking", fixture::leak()),
        judged("open", fixture::inconclusive()),
    ];
    let asked = vec![
        ["memory".into(), "process_resident_memory_bytes{job=\"shop\"}".into(), "resident memory, in bytes".into()],
        ["time".into(), "the last 6 h".into(), "a reading every 30 s".into()],
    ];
    FleetReport::new("http://127.0.0.1:9090".into(), asked, vec!["a store is away".into()], series)
}

#[test]
fn the_surest_leak_comes_first_and_what_is_proven_clean_last() {
    insta::assert_snapshot!(fleet().terminal(false));
    assert_eq!(fleet().totals(), Totals { leaks: 1, failed: 1, open: 1, clean: 1, brief: 0, warned: true });
}

#[test]
fn the_page_has_every_series_and_can_be_searched() {
    let page = fleet().html();
    insta::assert_snapshot!(
        page.split_once("<main>").unwrap().1.split_once("<footer>").unwrap().0.replace("</", "\n</")
    );
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(include_str!("search.js")));
    assert!(page.contains(&format!("script-src 'sha256-{digest}'")), "SCRIPT_SHA256 is to be sha256-{digest}");
    assert!(!page.contains(" src=") && !page.contains(" href="));
}

#[test]
fn every_line_fits_the_schema() {
    let validator = jsonschema::validator_for(&jsonl::series_schema()).unwrap();
    let lines = fleet().jsonl();
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| validator.is_valid(line)), "{lines:#?}");
    let told: Vec<_> = lines.iter().map(|line| (line["labels"]["pod"].as_str(), line["verdict"].as_str())).collect();
    let expected = [
        (Some("leaking"), Some("leak")),
        (Some("away"), None),
        (Some("open"), Some("inconclusive")),
        (Some("clean"), Some("clean")),
    ];
    assert_eq!(told, expected);
    assert_eq!(lines[0]["series"], "{job=\"shop\",pod=\"leaking\"}");
}

#[test]
fn nothing_hostile_gets_through() {
    let (record, verdict) = fixture::hostile();
    let hostile = "\u{1b}[31m</script><img src=x>\u{202e}\"\n";
    let series =
        vec![FleetSeries::judged(&labels(hostile), &record, &verdict, 1e3), FleetSeries::failed(&labels("a"), hostile)];
    let asked = vec![[hostile.into(), hostile.into(), hostile.into()]];
    let report = FleetReport::new(hostile.into(), asked, vec![hostile.into()], series);
    for text in [report.terminal(false), report.jsonl(), report.html()] {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}'), "{text}");
    }
    assert!(!report.html().contains("<img") && report.html().matches("</script>").count() == 1);
}

#[test]
fn an_empty_fleet_is_told_to_be_one() {
    let report = FleetReport::new("http://127.0.0.1:9090".into(), Vec::new(), Vec::new(), Vec::new());
    assert!(
        report.terminal(false).contains("the fleet is EMPTY: no series has a reading."),
        "{}",
        report.terminal(false)
    );
    assert!(report.jsonl().is_empty() && report.html().contains("EMPTY"));
}

/// What is judged of these series together, of so many seconds.
fn judged(series: &[Readings], seconds: f64) -> FleetSeries {
    let asked = Asked { memory: "mem".into(), ..Asked::default() };
    let until = series.iter().filter_map(|one| one.rows.last()).map(|row| row.t).fold(0.0, f64::max);
    let mut record = of_series("x", &asked, series, (75.0, until)).unwrap().record;
    record.meta.budgets = usual_budgets(&record);
    let verdict = crate::verdict::judge(&record);
    FleetSeries::judged(&labels("x"), &record, &verdict, seconds)
}

#[test]
fn growth_that_is_no_memory_s_says_of_what_it_is() {
    // One more process every half minute.
    let of = |place: u32| {
        let row = |i: u32| SeriesRow {
            memory: 2e8 + 4096.0 * f64::from((i + place) * 7919 % 61),
            ..SeriesRow::at(1.767e9 + 30.0 * f64::from(i))
        };
        Readings { name: format!("pod-{place}"), rows: (place..120).map(row).collect() }
    };
    let series: Vec<Readings> = (0..100).map(of).collect();
    let growth = judged(&series, 36_000.0).growth.measured.to_string();
    assert!(growth.contains(" processes/hour"), "{growth}");
}

#[test]
fn a_life_that_says_nothing_keeps_no_other_from_a_pass_and_is_none_by_itself() {
    let of = |readings: u32, seconds: f64| {
        let row = |i: u32| SeriesRow {
            memory: 2e8 + 4096.0 * f64::from(i * 7919 % 61),
            ..SeriesRow::at(1.767e9 + 30.0 * f64::from(i))
        };
        judged(&[Readings { name: "x".into(), rows: (0..readings).map(row).collect() }], seconds)
    };
    for readings in [1, 2, 5, 9] {
        assert!(of(readings, 21_600.0).is_brief(), "{readings}");
        assert_eq!(of(readings, 21_600.0).word(), "TOO BRIEF");
    }
    let grows = |readings: u32| {
        let row =
            |i: u32| SeriesRow { memory: 2e8 + 1e6 * f64::from(i), ..SeriesRow::at(1.767e9 + 30.0 * f64::from(i)) };
        judged(&[Readings { name: "x".into(), rows: (0..readings).map(row).collect() }], 21_600.0)
    };
    assert!((6..10).all(|readings| !grows(readings).is_brief()), "what grows keeps the others from a pass");
    assert!(!of(9, 300.0).is_brief(), "it lived all the time, and was read too seldom");
    assert!(!of(720, 21_600.0).is_brief());
}
