use super::*;
use crate::answer::{ExitCode, Outcome};
use crate::compare::{Measure, summarize};
use crate::fixture::pairs::leaking_run;
use crate::model::{Resource, day};
use crate::verdict::{self, RULE};
use crate::words;
use proptest::prelude::*;

fn known() -> Baseline {
    let record = leaking_run();
    let verdict = verdict::judge(&record);
    let sentence = words::headline(&record, &verdict).to_string();
    Baseline::of(&record, &verdict, sentence)
}

/// What was written, with one place of it changed.
fn changed(from: &str, to: &str) -> Result<Baseline, String> {
    let text = known().to_json();
    assert!(text.contains(from), "{from}: {text}");
    Baseline::read(text.replacen(from, to, 1).as_bytes())
}

#[test]
fn what_is_written_is_read() {
    let mut baseline = known();
    baseline.accept = Some(Acceptance { until: day("2027-03-01").unwrap(), reason: "a \u{1b}[31m reason".into() });
    assert_eq!(Baseline::read(baseline.to_json().as_bytes()), Ok(baseline));
}

#[test]
fn growth_and_the_workload_are_those_of_the_run() {
    let record = leaking_run();
    let whole = summarize("x", &record, &verdict::judge(&record), String::new());
    let file = known().summary("x");
    assert_eq!((file.growth, file.statuses), (whole.growth, whole.statuses));
    let same = [Measure::ErrorRate, Measure::Latency(crate::answer::Quantile::P95), Measure::Status(503)];
    assert!(same.iter().all(|m| file.measures.contains_key(m) && file.measures.get(m) == whole.measures.get(m)));
    assert!(!file.measures.contains_key(&Measure::Cpu), "what isn't known is missing");
    assert_eq!((file.outcome, file.exit), (Outcome::Leak, ExitCode::Leak));
}

#[test]
fn an_older_file_is_read_and_lacks_what_it_lacks() {
    let old = changed(&format!("\"rule\": {RULE},"), "").unwrap();
    assert_eq!(old.rule, None);
    let old = changed("\"format\": \"1.5\"", "\"format\": \"1.0\"").unwrap();
    assert!(old.known(Resource::Memory).is_some_and(|known| known.growth().is_some()));
    let newer = changed("\"format\": \"1.5\"", "\"format\": \"1.9\", \"more\": [1]").unwrap();
    assert_eq!(newer.rule, Some(RULE));
}

#[test]
fn what_is_no_verdict_is_refused_with_its_place() {
    let told = |from: &str, to: &str| changed(from, to).unwrap_err();
    let expected = "expected the verdict.json of a run, or what `seepage baseline` wrote";
    assert!(Baseline::read(b"[]").unwrap_err().ends_with(expected));
    assert!(Baseline::read(b"{\"format\": \"1.5\"}").unwrap_err().contains("missing field `verdict` at line 1"));
    assert!(told("\"format\": \"1.5\"", "\"format\": \"2.0\"").contains("its format \"2.0\" is none of version 1"));
    assert!(told("\"verdict\": \"leak\"", "\"verdict\": \"leaks\"").contains("unknown variant `leaks`"));
    assert!(told("\"bytes/request\"", "\"bytes/day\"").contains("memory: its unit \"bytes/day\" is none of"));
    assert!(told("\"bytes/request\"", "\"threads/request\"").contains("memory: its unit"));
    assert!(told("\"resource\": \"descriptors\"", "\"resource\": \"memory\"").contains("memory is there twice"));
    assert!(told("\"confidence\": 0.9", "\"confidence\": 1.9").contains("its growth can't be"));
    assert!(told("\"budget\": 64.0", "\"budget\": -64.0").contains("its budget is below zero"));
}

#[test]
fn a_run_that_failed_says_why() {
    assert_eq!(known().failure(), None);
    let (exit, why) = changed("\"exit_code\": 10", "\"exit_code\": 21").unwrap().failure().unwrap();
    assert_eq!((exit, why.is_empty()), (ExitCode::Target, false));
    assert_eq!(changed("\"complete\"", "\"aborted\"").unwrap().failure().unwrap().0, ExitCode::Failure);
}

#[test]
fn days_are_written_in_one_way() {
    assert_eq!(day("2028-02-29").unwrap().to_string(), "2028-02-29");
    for wrong in ["2027-02-29", "2027-3-1", "01.03.2027", "2027-03-01T00:00:00Z", "", "tomorrow"] {
        assert!(day(wrong).unwrap_err().contains("expected one such as 2027-03-01"), "{wrong}");
    }
}

#[test]
fn a_baseline_reads_well() {
    let mut baseline = known();
    let plain = words::baseline::lines(&baseline).join("\n");
    baseline.accept = Some(Acceptance { until: day("2027-03-01").unwrap(), reason: "the cache of issue 7.".into() });
    let accepted = words::baseline::lines(&baseline);
    insta::assert_snapshot!(format!("{plain}\n\n{}", accepted.last().unwrap()));
}

/// The answer on a run of which each request leaves so many bytes in each of two workers, held against one of which it leaves `was`.
fn held(was: u64, is: u64, until: &str, today: &str) -> (crate::model::RunRecord, crate::answer::Verdict) {
    let run = |rate: u64| crate::fixture::run::record(|served| (50 << 20) + rate * served, |_| 12);
    let before = run(was);
    let judged = verdict::judge(&before);
    let sentence = words::headline(&before, &judged).to_string();
    let mut baseline = Baseline::of(&before, &judged, sentence);
    baseline.accept = Some(Acceptance { until: day(until).unwrap(), reason: "issue 7".into() });
    let mut now = run(is);
    now.meta.accepted = Some(baseline.accepts(&now, &verdict::judge(&now), day(today).unwrap()).unwrap());
    let verdict = verdict::judge(&now);
    (now, verdict)
}

fn exits(was: u64, is: u64) -> ExitCode {
    held(was, is, "2027-03-01", "2027-03-01").1.exit
}

#[test]
fn a_leak_that_is_accepted_passes_while_it_is_no_worse() {
    assert_eq!(exits(4096, 4096), ExitCode::Accepted);
    assert_eq!(exits(4096, 2048), ExitCode::Accepted);
    assert_eq!(exits(4096, 8192), ExitCode::Worse);
    assert_eq!(exits(0, 4096), ExitCode::Leak, "nothing leaked then");
    assert_eq!(exits(4096, 0), ExitCode::Clean);
    assert_eq!(held(4096, 4096, "2027-03-01", "2027-03-02").1.exit, ExitCode::Leak);
    let (_, verdict) = held(4096, 4096, "2027-03-01", "2027-03-01");
    assert_eq!((verdict.outcome, verdict.exit.code()), (Outcome::Leak, 0), "it is never called clean");
}

#[test]
fn an_accepted_leak_is_told_each_time() {
    let told = |(record, verdict): (crate::model::RunRecord, crate::answer::Verdict)| {
        let first = words::headline(&record, &verdict);
        format!("{first}\n{}\n", first.more.join("\n"))
    };
    let texts = [
        told(held(4096, 4096, "2027-03-01", "2027-03-01")),
        told(held(4096, 8192, "2027-03-01", "2027-03-01")),
        told(held(4096, 4096, "2027-03-01", "2027-03-02")),
        told(held(0, 4096, "2027-03-01", "2027-03-01")),
    ];
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn what_else_is_wrong_is_no_less_wrong() {
    let (mut record, verdict) = held(4096, 4096, "2027-03-01", "2027-03-01");
    assert_eq!(verdict.exit, ExitCode::Accepted);
    record.meta.gates.p50 = Some(1e-6);
    assert_eq!(verdict::judge(&record).exit, ExitCode::Workload);
    record.meta.gates.p50 = None;
    record.meta.budgets.tmpfs = Some(64.0);
    for sample in &mut record.host {
        sample.tmpfs = None;
    }
    assert_eq!(verdict::judge(&record).exit, ExitCode::Inconclusive, "what can't be measured stays open");
    let (mut record, _) = held(4096, 4096, "2027-03-01", "2027-03-01");
    record.meta.status = crate::model::RunStatus::Aborted;
    assert_eq!(verdict::judge(&record).exit, ExitCode::Inconclusive, "what was cut short never passes");
    record.meta.accepted.as_mut().unwrap().rule = RULE + 1;
    assert_eq!(verdict::judge(&record).exit, ExitCode::Leak, "another rule measures something else");
}

#[test]
fn what_cannot_be_held_against_it_is_refused() {
    let mut baseline = known();
    assert!(baseline.check_accepts("x").unwrap_err().contains("doesn't say until when"));
    baseline.accept = Some(Acceptance { until: day("2027-03-01").unwrap(), reason: "issue 7".into() });
    assert_eq!(baseline.check_accepts("x"), Ok(()));
    assert!(baseline.check_accepts("y").unwrap_err().contains("it is of a run of \"x\", and this one is of \"y\""));
    let changed = |change: fn(&mut Baseline)| {
        let mut other = baseline.clone();
        change(&mut other);
        other.check_accepts("x").unwrap_err()
    };
    assert!(changed(|b| b.rule = Some(3)).contains("it was judged by version 3 of the rule"));
    assert!(changed(|b| b.rule = None).contains("it was judged by an older version"));
    assert!(changed(|b| b.findings[0].unit = "bytes/hour".into()).contains("its growth is per hour"));
    assert!(
        changed(|b| b.accept.as_mut().unwrap().reason = " \t".into()).contains("expected why the leak is accepted")
    );
    assert!(changed(|b| b.verdict = Outcome::Clean).contains("its verdict is clean, which its findings are not"));
    assert!(
        changed(|b| b.findings.iter_mut().for_each(|f| f.verdict = Outcome::Clean)).contains("expected a leak in both")
    );
}

#[test]
fn growth_that_no_leak_has_is_not_accepted() {
    let growth = |estimate: &str, lower: &str, upper: &str| {
        let mut value: serde_json::Value = serde_json::from_str(&known().to_json()).unwrap();
        value["accept"] = serde_json::json!({ "until": "2027-03-01", "reason": "issue 7" });
        let number = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        value["findings"][0]["growth"] = serde_json::json!({
            "estimate": number(estimate), "lower": number(lower), "upper": number(upper), "confidence": 0.98
        });
        Baseline::read(value.to_string().as_bytes()).unwrap().check_accepts("x")
    };
    assert_eq!(growth("4096", "4000", "4200"), Ok(()));
    for (estimate, lower, upper) in [
        ("40960", "4000", "4200"),
        ("1", "4000", "4200"),
        ("1e300", "4000", "1e301"),
        ("9", "-1e300", "10"),
        ("null", "1", "2"),
    ] {
        let why = growth(estimate, lower, upper).unwrap_err();
        assert!(why.contains("memory: its growth can't be that of a leak: expected"), "{why}");
    }
}

#[test]
fn damage_is_told_in_words_of_the_user() {
    let whole = known().to_json();
    let told = |bytes: &[u8]| Baseline::read(bytes).unwrap_err();
    assert!(told(b" \n").starts_with("it is empty; expected the verdict.json"));
    assert!(told(&whole.as_bytes()[..500]).contains(", in the middle; expected"));
    assert!(told(b"name = \"jobs\"").starts_with("it is no JSON from line 1, column"));
    assert!(told(format!("{whole}{whole}").as_bytes()).starts_with("it is no JSON from line"));
    for text in ["[]", "null", "3", "{\"format\": \"1.5\", \"verdict\": \"leak\", \"run\": 3}", "[[]]"] {
        assert!(!told(text.as_bytes()).contains("struct"), "{}", told(text.as_bytes()));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_and_what_is_read_is_written_again(at in 0usize..4000, byte in any::<u8>(), cut in 0usize..8000) {
        let mut bytes = known().to_json().into_bytes();
        let place = at % bytes.len();
        bytes[place] = byte;
        if cut < bytes.len() && cut % 3 == 0 {
            bytes.truncate(cut);
        }
        if let Ok(read) = Baseline::read(&bytes) {
            prop_assert_eq!(Baseline::read(read.to_json().as_bytes()).unwrap(), read.clone());
            let _ = (read.summary("x"), words::baseline::lines(&read), read.failure());
        }
    }
}
