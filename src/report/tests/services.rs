//! A run with services, in each format.

use super::super::*;
use super::snapshots::text;
use crate::report::fixture;

#[test]
fn each_format_tells_of_each_service() {
    for (name, format) in [
        ("terminal_services", Format::Terminal),
        ("markdown_services", Format::Markdown),
        ("junit_services", Format::Junit),
    ] {
        insta::assert_snapshot!(name, text(format, fixture::stack()));
    }
    let json: serde_json::Value = serde_json::from_str(&text(Format::Json, fixture::stack())).unwrap();
    assert_eq!((&json["verdict"], &json["exit_code"]), (&"leak".into(), &10.into()));
    let told = json["services"].as_array().unwrap().iter().map(|one| (&one["run"]["name"], &one["verdict"]));
    let told: Vec<(&str, &str)> =
        told.map(|(name, verdict)| (name.as_str().unwrap(), verdict.as_str().unwrap())).collect();
    assert_eq!(told, [("database", "leak"), ("cache", "clean")]);
    assert!(json["services"][0]["findings"][0]["growth"]["estimate"].as_f64().is_some_and(|rate| rate > 4000.0));
}

#[test]
fn the_page_has_all_of_them_on_one_time_axis() {
    let page = text(Format::Html, fixture::stack());
    let places: Vec<usize> = ["LEAKS", "Memory of the service database", "Memory of the service cache", "Over time"]
        .iter()
        .map(|part| page.find(part).unwrap_or_else(|| panic!("{part} is missing")))
        .collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(page.contains("services/database/report.html"), "its own report is linked");
    let (record, verdict) = fixture::stack();
    let timeline = chart::Timeline::new(&record, &verdict);
    let titles: Vec<&str> = timeline.panels.iter().map(|panel| panel.title.as_str()).collect();
    let memory = "anonymous + swapped memory of each worker";
    assert_eq!(
        titles[..3],
        [memory.to_owned(), format!("{memory} of its service database"), format!("{memory} of its service cache")]
    );
    assert!(timeline.panels[..3].iter().all(|panel| !panel.curves.is_empty()));
}

#[test]
fn names_of_services_break_out_of_nothing() {
    let (mut record, verdict) = fixture::stack();
    record.services[0].meta.name = fixture::HOSTILE.into();
    let page = text(Format::Html, (record.clone(), verdict.clone()));
    assert!(!page.contains("<img") && !page.contains('\u{1b}'), "{page}");
    for format in [Format::Terminal, Format::Markdown, Format::Junit] {
        let said = text(format, (record.clone(), verdict.clone()));
        assert!(!said.contains('\u{1b}') && !said.contains('\u{202e}'), "{format}: {said}");
    }
}
