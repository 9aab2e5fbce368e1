//! Tests of every format on runs with known truth, on hostile texts and on broken numbers.

mod broken;
mod browser;
mod services;
mod snapshots;
mod understanding;

use super::*;
use base64::Engine;
use sha2::{Digest, Sha256};

#[test]
fn the_same_run_gives_the_same_bytes() {
    for format in Format::ALL {
        let (record, verdict) = fixture::traced();
        let first = render(format, &record, &verdict).unwrap();
        let (record, verdict) = fixture::traced();
        assert!(first == render(format, &record, &verdict).unwrap(), "{format}");
    }
}

#[test]
fn formats_are_known_by_their_names() {
    for format in Format::ALL {
        assert_eq!(format.name().parse(), Ok(format));
    }
    let error = "pdf".parse::<Format>().unwrap_err().to_string();
    assert_eq!(
        error,
        "`pdf` is not a report format; choose from terminal, html, svg, png, json, junit, md, csv, pprof, collapsed"
    );
}

#[test]
fn a_run_directory_gets_every_report() {
    let directory = tempfile::tempdir().unwrap();
    let (record, verdict) = fixture::descriptors();
    let written = write_all(directory.path(), &record, &verdict).unwrap();
    let names: Vec<String> =
        written.iter().map(|p| p.strip_prefix(directory.path()).unwrap().display().to_string()).collect();
    let expected = [
        "report.html",
        "verdict.json",
        "junit.xml",
        "report.md",
        "samples.csv",
        "charts/memory.svg",
        "charts/memory.png",
        "charts/timeline.svg",
        "charts/timeline.png",
        "charts/descriptors.svg",
        "charts/descriptors.png",
    ];
    assert_eq!(names, expected);
    for path in written {
        assert!(path.metadata().unwrap().len() > 100, "{}", path.display());
    }
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let (record, verdict) = fixture::empty();
    let error = write_all(Path::new("/nowhere/at/all"), &record, &verdict).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/at/all could not be written: "), "{error}");
}

#[test]
fn a_png_has_two_pixels_for_each_of_the_chart() {
    let (record, verdict) = fixture::warm_up();
    let bytes = render(Format::Png, &record, &verdict).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
    assert_eq!((reader.info().width, reader.info().height), (1920, 1080));
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    let is = |wanted: [u8; 3]| pixels.as_chunks().0.iter().filter(|p| **p == wanted).count();
    let chart::palette::Tone { light: plotters::style::RGBColor(r, g, b), .. } = chart::palette::GOOD;
    assert!(is([255, 255, 255]) > 1_000_000, "white paper");
    assert!(is([r, g, b]) > 200, "the word CLEAN in green, so text is drawn");
}

#[test]
fn verdicts_fit_their_published_schema() {
    let published: serde_json::Value = serde_json::from_str(include_str!("../../../docs/verdict.schema.json")).unwrap();
    let hint = "write `report::json_schema()` to docs/verdict.schema.json; SEEPAGE_BLESS=1 does";
    if std::env::var_os("SEEPAGE_BLESS").is_some() {
        let text = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/verdict.schema.json"), text).unwrap();
    } else {
        assert_eq!(published, json_schema(), "{hint}");
    }
    let validator = jsonschema::validator_for(&json_schema()).unwrap();
    for (name, (record, verdict)) in fixture::all() {
        let verdict: serde_json::Value = serde_json::from_str(&json::render(&record, &verdict)).unwrap();
        let errors: Vec<String> = validator.iter_errors(&verdict).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
    assert!(
        !validator.is_valid(&serde_json::json!({ "format": "1.0" })),
        "a schema that takes anything proves nothing"
    );
}

#[test]
fn the_schema_tells_every_exit_code() {
    use crate::answer::ExitCode::*;
    let schema = json_schema();
    let told = schema["properties"]["exit_code"]["description"].as_str().unwrap();
    let numbers: Vec<&str> = told.split(|c: char| !c.is_ascii_digit()).collect();
    for code in [Clean, Failure, Leak, Inconclusive, Worse, Target, Workload, Interrupted(0), Interrupted(2)] {
        assert!(numbers.contains(&code.code().to_string().as_str()), "{code:?}: {told}");
    }
}

#[test]
fn nothing_hostile_gets_through() {
    let (record, verdict) = fixture::hostile();
    for format in
        [Format::Terminal, Format::Html, Format::Svg, Format::Junit, Format::Markdown, Format::Csv, Format::Json]
    {
        let text = String::from_utf8(render(format, &record, &verdict).unwrap()).unwrap();
        let control = text.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(control, None, "{format}");
        assert!(!text.contains('\u{202e}'), "{format}");
        if ![Format::Terminal, Format::Json].contains(&format) {
            assert!(!text.contains("<img"), "{format}");
        }
    }
}

#[test]
fn the_page_ends_its_scripts_itself() {
    let (record, verdict) = fixture::hostile();
    let page = html::render(&record, &verdict).unwrap();
    assert_eq!(page.matches("</script>").count(), 2);
    let data = page.split_once("id=\"figures\">").unwrap().1.split_once("</script>").unwrap().0;
    let figures: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(figures.as_array().unwrap().len(), 2);
}

#[test]
fn the_page_fetches_nothing_and_its_policy_knows_its_script() {
    let (record, verdict) = fixture::leak();
    let page = html::render(&record, &verdict).unwrap();
    assert!(!page.contains(" src=") && !page.contains(" href=") && !page.contains("url("));
    let script = include_str!("../html/script.js");
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(script));
    assert!(page.contains(&format!("script-src 'sha256-{digest}'")), "SCRIPT_SHA256 is to be sha256-{digest}");
    assert!(page.contains(script));
}

#[test]
fn a_recycled_worker_has_a_line_of_its_own() {
    let (record, verdict) = fixture::recycled();
    let chart = chart::GrowthChart::memory(&record, &verdict);
    assert_eq!(chart.lines.len(), record.workers().len());
    assert!(chart.lines.len() > 10);
    assert!(chart.lines.iter().all(|l| l.pieces.len() == 1));
}

#[test]
fn a_line_is_cut_where_readings_are_missing() {
    let (mut record, verdict) = fixture::leak();
    record.samples.retain(|s| !(20.0..40.0).contains(&s.t));
    let chart = chart::GrowthChart::memory(&record, &verdict);
    assert!(chart.lines.iter().all(|l| l.pieces.len() == 2));
    let timeline = chart::Timeline::new(&record, &verdict);
    assert!(timeline.panels[0].curves.iter().all(|c| c.pieces.len() == 2));
}

#[test]
fn a_million_readings_give_a_small_chart() {
    let (mut record, verdict) = fixture::empty();
    let worker = crate::model::WorkerId::new(1, 1);
    record.samples = (0..1_000_000u64)
        .map(|i| crate::model::Sample {
            anon: Some((4 << 20) + i * 7 + i % 13 * 4096),
            swap: Some(0),
            requests: Some(i),
            ..crate::model::Sample::new(i as f64 * 0.1, worker)
        })
        .collect();
    assert!(render(Format::Svg, &record, &verdict).unwrap().len() < 60_000);
}

#[test]
fn a_crowd_is_thin_and_its_chart_small() {
    let (record, verdict) = fixture::crowd();
    let chart = chart::GrowthChart::memory(&record, &verdict);
    assert_eq!(chart.lines.len(), 500);
    assert_eq!(chart.lines.iter().filter(|l| l.colour.is_some()).count(), 7);
    assert!(chart::svg(&chart).unwrap().len() < 500_000);
}

#[test]
fn a_budget_that_is_kept_has_room_above_the_noise() {
    let (record, verdict) = fixture::warm_up();
    let chart = chart::GrowthChart::memory(&record, &verdict);
    let [_, (_, allowed)] = chart.budget.unwrap();
    assert!(chart.y_range.1 > allowed);
}
