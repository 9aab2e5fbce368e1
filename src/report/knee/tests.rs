use super::*;
use crate::answer::{ExitCode, Interval, Outcome};
use crate::knee::{self, Failed, Grows};
use crate::model::{Axis, Resource};
use crate::report::fixture::HOSTILE;

fn interval(estimate: f64) -> Interval {
    Interval { estimate, lower: 0.97 * estimate, upper: 1.03 * estimate, confidence: 0.95 }
}

/// A load at a server with eight slots of 10 ms each.
fn load(at: u64, refused: u64) -> Load {
    let served = at.min(8);
    let ended = 800 * served + refused;
    let mut statuses = BTreeMap::from([(200, 800 * served)]);
    let mut errors = BTreeMap::new();
    if refused > 0 {
        statuses.insert(503, refused);
        errors.insert("status".to_owned(), refused);
    }
    Load {
        step: Step {
            load: at,
            goodput: Some(interval(100.0 * served as f64)),
            ended,
            failed: refused,
            statuses,
            errors,
            p95: Some(0.01 * at as f64 / served as f64),
            errs: refused > 0,
            outcome: if at < 4 { Outcome::Inconclusive } else { Outcome::Clean },
            grows: Vec::new(),
            broke: None,
        },
        run: format!("load-{at:04}"),
        sentence: "shop is CLEAN".into(),
    }
}

/// What is found of these loads.
fn report(loads: Vec<Load>, highest: u64) -> KneeReport {
    KneeReport {
        name: "shop".into(),
        started: "2026-12-02T08:00:00Z".into(),
        highest,
        answer: knee::answer(&loads, highest),
        leaks: knee::leaks_from(&loads),
        cut: None,
        loads,
    }
}

fn loads(all: &[u64]) -> Vec<Load> {
    all.iter().map(|at| load(*at, 0)).collect()
}

fn refusing() -> KneeReport {
    let all = [1, 2, 4, 8, 9, 10, 12, 16].map(|at: u64| load(at, at.saturating_sub(8) * 1600));
    report(all.to_vec(), 64)
}

fn leaking() -> KneeReport {
    let mut report = report(loads(&[1, 2, 4, 5, 6, 8, 9, 10, 16, 32]), 32);
    for load in report.loads.iter_mut().filter(|load| load.step.load >= 5) {
        let growth = Some(Interval { confidence: 0.98, ..interval(0.1) });
        load.step.grows = vec![Grows { resource: Resource::Descriptors, axis: Axis::WorkerRequests, growth }];
        load.step.outcome = Outcome::Leak;
    }
    report.leaks = knee::leaks_from(&report.loads);
    report
}

#[test]
fn a_knee_reads_well() {
    insta::assert_snapshot!("knee_terminal", refusing().terminal(false));
    insta::assert_snapshot!("knee_markdown", refusing().markdown());
}

#[test]
fn every_answer_reads_well() {
    let mut errs_above = report(loads(&[1, 2, 4, 8, 9, 10, 16]), 32);
    errs_above.loads.push(load(32, 900));
    let mut broken = report(loads(&[1, 2, 4]), 32);
    broken.loads[2].step.broke = Some(Failed { exit: ExitCode::Target, why: "it was killed by SIGSEGV".into() });
    broken.answer = knee::answer(&broken.loads, 32);
    let cut = |mut report: KneeReport| {
        report.cut = Some("ended early by Ctrl-C".into());
        report
    };
    let mut unclear = report(loads(&[1, 2, 4]), 4);
    unclear.answer = Answer::Unclear(knee::Doubt::Varies(4));
    let mut blind = report(loads(&[1, 2]), 2);
    blind.answer = Answer::Unclear(knee::Doubt::NoGoodput(1));
    // The load between says nothing.
    let mut wide = report([load(1, 0), load(2, 0), load(5, 0), load(8, 1600)].to_vec(), 32);
    wide.loads[2].step.goodput = None;
    wide.answer = knee::answer(&wide.loads, 32);
    let reports = [
        wide,
        report(loads(&[1, 2, 4, 8, 9, 10, 16, 32]), 32),
        errs_above,
        leaking(),
        broken,
        report(vec![load(1, 5000)], 32),
        report(loads(&[1, 2, 4, 8]), 8),
        unclear,
        blind,
        cut(report(loads(&[1, 2, 4]), 32)),
        cut(report(Vec::new(), 32)),
    ];
    let said = |report: &KneeReport| {
        let first = report.headline();
        format!("{}{}", first, first.more.iter().map(|line| format!("\n    {line}")).collect::<String>())
    };
    insta::assert_snapshot!("knee_answers", reports.each_ref().map(said).join("\n"));
}

#[test]
fn searches_fit_their_published_schema() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/knee.schema.json");
    let current = serde_json::to_string_pretty(&knee_schema()).unwrap() + "\n";
    if std::env::var_os("SEEPAGE_BLESS").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    assert!(std::fs::read_to_string(path).unwrap_or_default() == current, "SEEPAGE_BLESS=1 writes {path}");
    let validator = jsonschema::validator_for(&knee_schema()).unwrap();
    for report in [refusing(), leaking(), report(Vec::new(), 8)] {
        let document: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&document).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
}

#[test]
fn the_chart_marks_the_knee_and_names_what_fails() {
    let drawn = svg(&refusing().chart()).unwrap();
    assert!(drawn.contains("knee: 8") && drawn.contains(">503<"), "{drawn}");
    let leaks = svg(&leaking().chart()).unwrap();
    assert!(leaks.contains("knee: 8") && leaks.contains("leaks from 5 on"), "{leaks}");
    for empty in [report(Vec::new(), 8), report(loads(&[1]), 8)] {
        assert!(svg(&empty.chart()).unwrap().contains("requests in flight"));
    }
}

#[test]
fn nothing_hostile_gets_through() {
    let mut report = refusing();
    report.name = HOSTILE.into();
    report.cut = Some(HOSTILE.into());
    report.loads[0].run = HOSTILE.into();
    report.loads[0].sentence = HOSTILE.into();
    report.loads[3].step.errors.insert(HOSTILE.into(), 5);
    report.loads[4].step.broke = Some(Failed { exit: ExitCode::Target, why: HOSTILE.into() });
    for text in [report.html().unwrap(), report.markdown(), report.terminal(false), report.json()] {
        assert_eq!(text.chars().find(|c| c.is_control() && *c != '\n'), None);
    }
    assert!(!report.html().unwrap().contains("<img") && !report.markdown().contains("<img"));
}
