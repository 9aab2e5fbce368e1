//! Tests of every format of a comparison.

use super::*;
use crate::report::fixture::HOSTILE;
use seepage_core::fixture::pairs;

fn with_report<T>(comparison: &Comparison, pairs: &[Pair], f: impl FnOnce(&Report<'_>) -> T) -> T {
    let notes = [ComparisonNote::Recorded("lines that went with it: UploadFault malloc".to_owned())];
    f(&Report {
        name: "apache-upload",
        id: "20261121T001231Z-apache-upload-ab-7f3a00",
        started: "2026-11-21T00:12:31Z",
        seed: Some(7),
        comparison,
        pairs,
        notes: &notes,
    })
}

fn rendered(format: Format) -> Vec<u8> {
    let (comparison, pairs) = fixture::leak();
    with_report(&comparison, &pairs, |report| report.render(format, false).unwrap().unwrap())
}

fn text(format: Format) -> String {
    String::from_utf8(rendered(format)).unwrap()
}

#[test]
fn a_test_that_can_tell_nothing_has_no_column() {
    let (_, pairs) = fixture::leak();
    for (count, tested) in [(4, false), (8, true)] {
        let pairs = &pairs[..count];
        let comparison = crate::compare::compare(&pairs::sides(), pairs, 8, &pairs::margins(), &Default::default());
        for (format, head) in [(Format::Markdown, "| p |"), (Format::Html, ">p</th>")] {
            let rendered = with_report(&comparison, pairs, |report| report.render(format, false).unwrap().unwrap());
            let text = String::from_utf8(rendered).unwrap();
            assert_eq!(text.contains(head), tested, "{count} pairs: {text}");
            assert!(!text.contains("too few pairs"), "{text}");
        }
    }
}

#[test]
fn a_leak_reads_well() {
    insta::assert_snapshot!("terminal", text(Format::Terminal));
    let (comparison, pairs) = fixture::leak();
    for width in [80, 40] {
        let text = with_report(&comparison, &pairs, |report| report.terminal(false, width));
        let table = text.lines().filter(|line| line.starts_with("  ") && !line.starts_with("  -"));
        assert!(table.clone().count() > 7 && table.clone().all(|line| line.chars().count() <= width), "{text}");
        insta::assert_snapshot!(format!("terminal_{width}"), crate::report::fold(&text, width));
    }
    insta::assert_snapshot!("markdown", text(Format::Markdown));
    insta::assert_snapshot!("junit", text(Format::Junit));
}

#[test]
fn a_test_that_can_not_be_sure_is_not_shown_as_doubt() {
    use seepage_core::fixture::pairs::{margins, sides};
    let (_, pairs) = fixture::leak();
    let few = crate::compare::compare(&sides(), &pairs[..3], 3, &margins(), &Default::default());
    assert_eq!(few.answer, crate::compare::Answer::Regression);
    for format in [Format::Html, Format::Markdown, Format::Terminal, Format::Junit] {
        let bytes = with_report(&few, &pairs[..3], |report| report.render(format, false).unwrap().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("WORSE"), "{text}");
        assert!(!text.contains("0.25 ") && !text.contains(">0.25<"), "{text}");
    }
}

#[test]
fn comparisons_fit_their_published_schema() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/comparison.schema.json");
    let current = serde_json::to_string_pretty(&comparison_schema()).unwrap() + "\n";
    if std::env::var_os("SEEPAGE_BLESS").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    assert!(std::fs::read_to_string(path).unwrap_or_default() == current, "SEEPAGE_BLESS=1 writes {path}");
    let validator = jsonschema::validator_for(&comparison_schema()).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text(Format::Json)).unwrap();
    let errors: Vec<String> = validator.iter_errors(&document).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!((document["answer"].as_str(), document["exit_code"].as_u64()), (Some("regression"), Some(12)));
    assert!(!validator.is_valid(&serde_json::json!({ "format": "1.0" })));
}

#[test]
fn the_page_fetches_nothing_and_runs_nothing() {
    let page = text(Format::Html);
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("@import"));
    assert!(page.contains("default-src 'none'") && page.matches("<svg").count() == 2);
}

#[test]
fn a_directory_gets_every_report() {
    let directory = tempfile::tempdir().unwrap();
    let (comparison, pairs) = fixture::leak();
    let written = with_report(&comparison, &pairs, |report| report.write(directory.path()).unwrap());
    let names: Vec<_> =
        written.iter().map(|p| p.strip_prefix(directory.path()).unwrap().display().to_string()).collect();
    let charts = ["charts/memory.svg", "charts/memory.png", "charts/differences.svg", "charts/differences.png"];
    assert_eq!(names, [&["comparison.json", "report.html", "report.md", "junit.xml"][..], &charts[..]].concat());
}

#[test]
fn nothing_hostile_gets_through_and_nothing_missing_panics() {
    let (mut comparison, mut pairs) = fixture::leak();
    for text in [&mut comparison.sides.a.name, &mut comparison.sides.a.phrase, &mut comparison.sides.b.phrase] {
        *text = HOSTILE.into();
    }
    comparison.notes = vec![ComparisonNote::Recorded(HOSTILE.into())];
    pairs[0].a.sentence = HOSTILE.into();
    pairs[0].a.curve = vec![(f64::NAN, 1.0)];
    for difference in &mut comparison.differences {
        difference.margin = 0.0;
        difference.pairs[0] = None;
    }
    for format in FORMATS {
        let bytes = with_report(&comparison, &pairs, |report| report.render(format, false).unwrap().unwrap());
        let Ok(text) = String::from_utf8(bytes) else { continue };
        assert_eq!(text.chars().find(|c| c.is_control() && *c != '\n'), None, "{format}");
        if ![Format::Terminal, Format::Json].contains(&format) {
            assert!(!text.contains("<img"), "{format}");
        }
    }
    comparison.differences.clear();
    for format in FORMATS {
        with_report(&comparison, &[], |report| report.render(format, true).unwrap().unwrap());
    }
}
