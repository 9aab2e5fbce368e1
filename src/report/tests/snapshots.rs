//! What each format looks like.

use super::*;
use crate::model::{Event, EventKind, Failure, PhaseKind, RunStatus};
use crate::report::fixture::Scenario;

pub(super) fn text(format: Format, (record, verdict): (RunRecord, Verdict)) -> String {
    String::from_utf8(render(format, &record, &verdict).unwrap()).unwrap()
}

/// A run small enough for a snapshot of everything.
fn small() -> (RunRecord, Verdict) {
    Scenario { workers: 1, seconds: 4, leak: 4096.0, outcome: crate::answer::Outcome::Leak, ..Scenario::default() }
        .build()
}

#[test]
fn terminal() {
    insta::assert_snapshot!("terminal_leak", text(Format::Terminal, fixture::leak()));
    insta::assert_snapshot!("terminal_inconclusive", text(Format::Terminal, fixture::inconclusive()));
    insta::assert_snapshot!("terminal_empty", text(Format::Terminal, fixture::empty()));
    insta::assert_snapshot!("terminal_traced", text(Format::Terminal, fixture::traced()));
}

#[test]
fn what_failed_before_its_soak_shows_no_growth() {
    let (mut record, _) = fixture::warm_up();
    let soaks = |event: &Event| matches!(event.kind, EventKind::Phase { phase: PhaseKind::Soak, .. });
    record.events.retain(|event| !soaks(event));
    (record.meta.status, record.meta.failure) = (RunStatus::Aborted, Some(Failure::Interrupted(2)));
    let verdict = crate::verdict::judge(&record);
    let run = || (record.clone(), verdict.clone());
    insta::assert_snapshot!("terminal_before_soak", text(Format::Terminal, run()));
    insta::assert_snapshot!("markdown_before_soak", text(Format::Markdown, run()));
    assert!(!text(Format::Html, run()).contains("table class=\"gates\""));
    let (record, verdict) = fixture::warm_up();
    assert!(text(Format::Html, (record, verdict)).contains("table class=\"gates\""), "else it shows nothing");
}

#[test]
fn a_narrow_terminal_has_all_of_the_table() {
    let (record, verdict) = fixture::leak();
    let lines = super::super::terminal(&record, &verdict, false, 40);
    let table = lines.split("\n\n").nth(1).unwrap();
    assert!(table.lines().all(|line| line.chars().count() <= 40), "{table}");
    insta::assert_snapshot!("terminal_40", table);
}

#[test]
fn terminal_in_colour() {
    let (record, verdict) = fixture::warm_up();
    let lines = super::super::terminal(&record, &verdict, true, usize::MAX);
    assert!(lines.starts_with("upload-demo-clean is \u{1b}[32m\u{1b}[1mCLEAN\u{1b}[0m: "), "{lines:?}");
    assert_eq!(super::super::place(Path::new("reports/x/report.html")), "\nreport  reports/x/report.html\n");
}

#[test]
fn json() {
    insta::assert_snapshot!("json_leak", text(Format::Json, small()));
    insta::assert_snapshot!("json_empty", text(Format::Json, fixture::empty()));
}

#[test]
fn junit() {
    insta::assert_snapshot!("junit_leak", text(Format::Junit, fixture::leak()));
    insta::assert_snapshot!("junit_empty", text(Format::Junit, fixture::empty()));
    insta::assert_snapshot!("junit_hostile", text(Format::Junit, fixture::hostile()));
}

#[test]
fn an_accepted_leak_is_no_failure_and_not_called_clean() {
    use crate::model::{Acceptability, Accepted, AcceptedLeak, Resource};
    let (mut record, mut verdict) = fixture::leak();
    let leak = AcceptedLeak {
        resource: Resource::Memory,
        state: Acceptability::NoWorse,
        known: Some(4100.0),
        more: Some((-30.0, 220.0)),
    };
    record.meta.accepted = Some(Accepted {
        rule: crate::verdict::RULE,
        baseline: "20260101T000000Z-upload".into(),
        until: "2027-03-01".into(),
        reason: "issue <7> \u{1b}[31m".into(),
        over: false,
        leaks: vec![leak],
    });
    verdict.exit = crate::answer::ExitCode::Accepted;
    let of = |format| String::from_utf8(render(format, &record, &verdict).unwrap()).unwrap();
    let json: serde_json::Value = serde_json::from_str(&of(Format::Json)).unwrap();
    assert_eq!((json["verdict"].as_str(), json["exit_code"].as_u64()), (Some("leak"), Some(0)));
    insta::assert_json_snapshot!("json_accepted", json["accepted"]);
    insta::assert_snapshot!("terminal_accepted", of(Format::Terminal));
    insta::assert_snapshot!("junit_accepted", of(Format::Junit));
    let html = of(Format::Html);
    assert!(html.contains("which is accepted until 2027-03-01") && html.contains("issue &lt;7&gt;"), "{html}");
    assert!(!of(Format::Markdown).contains("CLEAN"));
}

#[test]
fn an_accepted_call_site_is_told_with_what_is_left() {
    use crate::answer::{Finding, Interval, Outcome, Remainder, Untold};
    use crate::model::{AcceptedSite, Resource};
    let told = |found: &dyn Fn(&Finding) -> Result<Finding, Untold>, until: &str, exit| {
        let (mut record, mut verdict) = fixture::traced();
        let site =
            |site: &str| AcceptedSite { site: site.into(), until: until.into(), reason: "issue <7> \u{1b}[31m".into() };
        record.meta.accepted_sites = vec![site("mod_*keep_body*"), site("*: nobody")];
        let found = found(&verdict.findings[0]);
        verdict.remainders = vec![Remainder { resource: Resource::Memory, found }];
        verdict.exit = exit;
        [Format::Terminal, Format::Markdown, Format::Json, Format::Junit, Format::Html]
            .map(|format| String::from_utf8(render(format, &record, &verdict).unwrap()).unwrap())
    };
    let left = |outcome, estimate: f64| {
        move |leak: &Finding| {
            let growth = Interval { estimate, lower: estimate - 9.0, upper: estimate + 9.0, confidence: 0.98 };
            Ok(Finding { outcome, growth: Some(growth), ..leak.clone() })
        }
    };
    use crate::answer::ExitCode::{Accepted, Inconclusive, Leak};
    let [terminal, markdown, json, junit, html] = told(&left(Outcome::Clean, 3.0), "2027-03-01", Accepted);
    let first = |text: &str| text.split("\n\n").next().unwrap().to_owned();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    insta::assert_json_snapshot!("json_accepted_sites", json["accepted_sites"]);
    insta::assert_snapshot!("junit_accepted_sites", junit);
    for text in [&markdown, &html] {
        assert!(text.contains("which is accepted until 2027-03-01") && text.contains("issue &lt;7&gt;"), "{text}");
    }
    let others = [
        told(&left(Outcome::Leak, 900.0), "2027-03-01", Leak),
        told(&left(Outcome::Inconclusive, 60.0), "2027-03-01", Inconclusive),
        told(&|_| Err(Untold::Coarser), "2027-03-01", Leak),
        told(&|_| Err(Untold::NotCounted), "2025-03-01", Leak),
    ];
    let all: Vec<String> =
        [terminal].iter().chain(others.iter().map(|reports| &reports[0])).map(|t| first(t)).collect();
    insta::assert_snapshot!("terminal_accepted_sites", all.join("\n\n"));
    assert!(others.iter().all(|reports| reports[3].contains("<failure") && !reports[3].contains("<skipped")));
}

#[test]
fn markdown() {
    insta::assert_snapshot!("markdown_leak", text(Format::Markdown, fixture::leak()));
    insta::assert_snapshot!("markdown_clean", text(Format::Markdown, fixture::warm_up()));
    insta::assert_snapshot!("markdown_inconclusive", text(Format::Markdown, fixture::inconclusive()));
    insta::assert_snapshot!("markdown_empty", text(Format::Markdown, fixture::empty()));
    insta::assert_snapshot!("markdown_hostile", text(Format::Markdown, fixture::hostile()));
}

#[test]
fn call_sites() {
    let (record, verdict) = fixture::traced();
    let json: serde_json::Value = serde_json::from_str(&text(Format::Json, fixture::traced())).unwrap();
    insta::assert_json_snapshot!("json_call_sites", json["call_sites"]);
    insta::assert_snapshot!("html_call_sites", skeleton(super::super::html::call_sites(&verdict).into_string()));
    insta::assert_snapshot!("svg_flames", chart::svg(&chart::FlameChart::new(&verdict).unwrap()).unwrap());
    assert!(chart::FlameChart::new(&fixture::leak().1).is_none());
    insta::assert_snapshot!("collapsed", text(Format::Collapsed, fixture::traced()));
    let profile = render(Format::Pprof, &record, &verdict).unwrap();
    let mut message = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&profile[..]), &mut message).unwrap();
    insta::assert_snapshot!("pprof", decoded(&message));
    let (record, verdict) = fixture::leak();
    let error = render(Format::Pprof, &record, &verdict).unwrap_err().to_string();
    assert!(error.contains("run it with --heap"), "{error}");
}

#[test]
fn who_touched_fresh_pages() {
    let (record, mut verdict) = fixture::touched();
    insta::assert_snapshot!("terminal_touched", super::super::terminal(&record, &verdict, false, usize::MAX));
    insta::assert_snapshot!("html_touched", skeleton(super::super::html::call_sites(&verdict).into_string()));
    let sites = verdict.call_sites.as_mut().unwrap();
    sites.unexplained = Some(9000.0);
    sites.sites.iter_mut().for_each(|site| site.state = crate::answer::SiteState::Unproven);
    insta::assert_snapshot!("terminal_touched_weak", super::super::terminal(&record, &verdict, false, usize::MAX));
}

#[test]
fn the_account_of_the_whole_target() {
    use crate::model::Kin;
    use seepage_core::fixture::account::{MIB, other, with};
    let parent = |t: f64| crate::model::OtherProcess {
        command: "sh<op>|".into(),
        fds: Some(20 + t as u64),
        ..other(9, Kin::Above, MIB * (20.0 + t), 0.01)
    };
    let logger = |_| other(8, Kin::Beside, 3.0 * MIB, 0.01);
    let begun_late = |t: f64| other(if t < 40.0 { 7 } else { 77 }, Kin::Beside, MIB, 0.01);
    let record = with(&[&parent, &logger, &begun_late]);
    let verdict = crate::verdict::judge(&record);
    let all = |format| text(format, (record.clone(), verdict.clone()));
    insta::assert_snapshot!("terminal_account", all(Format::Terminal));
    let json: serde_json::Value = serde_json::from_str(&all(Format::Json)).unwrap();
    insta::assert_json_snapshot!("json_account", json["whole_target"]);
    insta::assert_snapshot!("html_account", skeleton(super::super::html::account(&verdict).into_string()));
    let markdown = all(Format::Markdown);
    let table = markdown.split("\n\n").find(|part| part.contains("not a worker")).unwrap();
    insta::assert_snapshot!("markdown_account", table);
    let timeline = chart::Timeline::new(&record, &verdict);
    let panels: Vec<(&str, Vec<&str>)> = timeline
        .panels
        .iter()
        .map(|panel| (panel.title.as_str(), panel.curves.iter().map(|curve| curve.name.as_str()).collect()))
        .collect();
    insta::assert_debug_snapshot!("timeline_account", panels);
}

/// The fields of a message of protobuf, one a line: numbers, texts, and what is neither as its fields in brackets.
fn decoded(mut message: &[u8]) -> String {
    fn varint(message: &mut &[u8]) -> u64 {
        let length = message.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        let (number, rest) = message.split_at(length);
        *message = rest;
        number.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f))
    }
    let mut lines = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message);
        let value = varint(&mut message);
        match (tag & 7, tag >> 3) {
            (0, field) => lines.push(format!("{field}: {value}")),
            (2, field @ 6) => {
                let (text, rest) = message.split_at(value as usize);
                message = rest;
                lines.push(format!("{field}: {:?}", String::from_utf8_lossy(text)));
            }
            (2, field) => {
                let (inner, rest) = message.split_at(value as usize);
                message = rest;
                lines.push(format!("{field}: {inner:?}"));
            }
            (kind, field) => panic!("field {field} of kind {kind}"),
        }
    }
    lines.join("\n")
}

#[test]
fn csv() {
    insta::assert_snapshot!("csv", text(Format::Csv, small()));
}

#[test]
fn svg() {
    insta::assert_snapshot!("svg_memory", text(Format::Svg, small()));
    let (record, verdict) = small();
    insta::assert_snapshot!("svg_timeline", chart::svg(&chart::Timeline::new(&record, &verdict)).unwrap());
    insta::assert_snapshot!("svg_empty", text(Format::Svg, fixture::empty()));
}

/// The page without what has snapshots or tests of its own, an element a line.
fn skeleton(page: String) -> String {
    let mut page = page.replace(super::super::html::SCRIPT_SHA256, "[digest]");
    for (begin, end) in [("<style>", "</style>"), ("<script", "</script>"), ("<svg", "</svg>")] {
        let mut kept = String::new();
        let mut rest = page.as_str();
        while let Some((before, after)) = rest.split_once(begin) {
            kept.push_str(before);
            rest = after.split_once(end).unwrap().1;
        }
        kept.push_str(rest);
        page = kept;
    }
    ["<tr", "<section", "<h2", "<dt", "<dd", "<p", "<li", "<details", "<figure", "<footer", "<main", "<title", "<meta"]
        .iter()
        .fold(page, |page, tag| page.replace(tag, &format!("\n{tag}")))
}

#[test]
fn html() {
    insta::assert_snapshot!("html_leak", skeleton(text(Format::Html, fixture::leak())));
    insta::assert_snapshot!("html_descriptors", skeleton(text(Format::Html, fixture::descriptors())));
    insta::assert_snapshot!("html_empty", skeleton(text(Format::Html, fixture::empty())));
    insta::assert_snapshot!("html_hostile", skeleton(text(Format::Html, fixture::hostile())));
}
