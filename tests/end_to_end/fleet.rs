//! `seepage fleet` on a stand-in for Prometheus, as a user calls it: what is judged, and what becomes of bad servers.

mod counts;
mod files;
mod proxy;
mod real;
mod silent;
mod stand_in;
mod watch;

use crate::common::{Bench, Ended};
use serde_json::Value;
use stand_in::{Asked, Reply, Series, StandIn, long_ago};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const MIB: f64 = 1024.0 * 1024.0;

/// Memory of a process that grows by so many MiB an hour, with noise.
fn memory(hourly: f64) -> impl Fn(f64) -> Option<f64> + Send + Sync + 'static {
    let begun = long_ago();
    move |t| {
        let noise = ((t as u64 / 10).wrapping_mul(2_654_435_761) >> 7 & 31) as f64 * 4096.0;
        Some((100.0 * MIB + hourly * MIB * (t - begun) / 3600.0 + noise).round())
    }
}

fn pod(name: &str, hourly: f64) -> Series {
    Series::new("mem", &[("job", "shop"), ("pod", name)], memory(hourly))
}

fn fleet(bench: &Bench, url: &str, arguments: &[&str]) -> Ended {
    let usual = [["--since", "2h"], ["--step", "30s"]];
    let usual = usual.iter().filter(|usual| !arguments.contains(&usual[0])).flatten();
    bench.ended(bench.seepage().args(["fleet", url]).args(usual).args(arguments).output().unwrap())
}

fn lines(ended: &Ended) -> Vec<Value> {
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn right(_: &Asked) -> Reply {
    Reply::Right
}

#[test]
fn each_series_is_judged_and_the_worst_comes_first() {
    let bench = Bench::new();
    // It has ended before, and is listed still.
    let before = long_ago();
    let gone = Series::new("mem", &[("job", "shop"), ("pod", "gone")], move |t| (t < before).then_some(50.0 * MIB));
    // What an exporter says of processes that have ended.
    let dead = Series::new("mem", &[("job", "shop"), ("pod", "gone too")], |_| Some(0.0));
    let pods = vec![pod("a", 0.0), pod("b", 30.0), gone, dead, pod("c", 300.0), pod("other", 0.0)];
    let server = StandIn::new(pods, right);
    let ended = fleet(&bench, &server.url, &["--memory", "mem{job=\"shop\"}", "--to", "out"]);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    let url = server.url.clone();
    let filters = vec![
        (url.as_str(), "http://SERVER"),
        (r"\d+\.?\d* [KM]iB", "N MiB"),
        // The readings are of now, and so is their noise.
        ("± N MiB|N MiB to N MiB", "INTERVAL"),
        ("none|at most N MiB/hour", "LITTLE"),
        (" {3,}", "  "),
    ];
    insta::with_settings!({ filters => filters }, { insta::assert_snapshot!(ended.stdout) });
    let page = std::fs::read_to_string(bench.path().join("out/fleet.html")).unwrap();
    assert!(page.contains("pod=&quot;c&quot;") && !page.contains("gone"), "{page}");
    let ended = fleet(&bench, &server.url, &["--memory", "mem", "--format", "jsonl", "--budget", "1 GiB/hour"]);
    assert_eq!(ended.code, Some(0), "{}", ended.story());
    assert_eq!(ended.stdout.lines().count(), 4);
    let schema = jsonschema::validator_for(&seepage::report::fleet_schema()).unwrap();
    assert!(lines(&ended).iter().all(|line| schema.is_valid(line)), "{}", ended.story());
}

#[test]
fn what_goes_with_memory_is_found_by_its_labels() {
    let bench = Bench::new();
    let begun = long_ago();
    let of = |name: &str, memtype: &str, value: fn(f64) -> f64| {
        let labels = [("pod", "a"), ("memtype", memtype)];
        let labels = if memtype.is_empty() { &labels[..1] } else { &labels[..] };
        Series::new(name, labels, move |t| Some(value(t - begun)))
    };
    // What leaves memory goes to swap, a MiB an hour; 10 requests a second keep 1 KiB each.
    let kept = |t: f64| 10.0 * 1024.0 * t;
    let server = StandIn::new(
        vec![
            of("mem", "resident", |_| 50.0 * MIB),
            of("mem", "swapped", kept),
            of("served", "", |t| (10.0 * t).round()),
            of("born", "", |_| 1e9),
        ],
        right,
    );
    let resident = ["--memory", "mem{memtype=\"resident\"}", "--format", "jsonl"];
    let alone = fleet(&bench, &server.url, &resident);
    assert_eq!(alone.code, Some(0), "{}", alone.story());
    let beside = ["--swap", "mem{memtype=\"swapped\"}", "--requests", "served", "--start", "born"];
    let ended = fleet(&bench, &server.url, &[&resident[..], &beside[..]].concat());
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    let line = &lines(&ended)[0];
    assert_eq!((&line["per"], &line["labels"]["pod"]), (&"request".into(), &"a".into()));
    assert!((line["estimate"].as_f64().unwrap() / 1024.0 - 1.0).abs() < 0.05, "{line}");
    // One that has no counter is told to be judged by time.
    let some = StandIn::new(
        vec![of("mem", "", |_| 50.0 * MIB), pod("b", 0.0), of("served", "", |t| (10.0 * t).round())],
        right,
    );
    let ended = fleet(&bench, &some.url, &["--memory", "mem", "--requests", "served"]);
    let told = ["1 of 2 series", "without requests, and judged by the hour: {job=\"shop\",pod=\"b\"}"];
    assert!(told.iter().all(|told| ended.stdout.contains(told)), "{}", ended.story());
    let wrong = fleet(&bench, &server.url, &["--memory", "mem", "--requests", "rate(served[5m])"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.story());
    assert!(wrong.stderr.contains("give the counter itself"), "{}", wrong.story());
}

#[test]
fn series_of_a_label_are_one_pool_and_one_that_comes_back_has_lives() {
    let bench = Bench::new();
    let of = |app: &str, pod: &str, hourly: f64| Series::new("mem", &[("app", app), ("pod", pod)], memory(hourly));
    // It is away for a quarter of each hour, and begins anew, last half an hour ago.
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() - 1800.0;
    let age = move |t: f64| (t - begun).rem_euclid(3600.0);
    let restarts = move |t: f64| (age(t) < 2700.0).then(|| 50.0 * MIB + 200.0 * MIB * age(t) / 3600.0);
    let back = Series::new("mem", &[("app", "c"), ("pod", "5")], restarts);
    let series = vec![of("a", "1", 0.0), of("a", "2", 100.0), of("b", "3", 0.0), of("b", "4", 0.0), back];
    let server = StandIn::new(series, right);
    let ended = fleet(&bench, &server.url, &["--memory", "mem", "--by", "app", "--since", "6h", "--format", "jsonl"]);
    let told: Vec<_> = lines(&ended).iter().map(|l| (l["series"].to_string(), l["verdict"].to_string())).collect();
    let expected = [("c", "leak"), ("a", "leak"), ("b", "clean")];
    let expected = expected.map(|(app, verdict)| (format!("\"{{app=\\\"{app}\\\"}}\""), format!("\"{verdict}\"")));
    assert_eq!(told, expected, "{}", ended.story());
    let workers = lines(&ended)[0]["understood"]["taken"].to_string();
    assert!(workers.contains("one process in 6 lives") || workers.contains("one process in 7 lives"), "{workers}");
}

#[test]
fn a_large_fleet_is_asked_for_in_portions_and_parts_by_few_connections() {
    let bench = Bench::new();
    let many =
        |count: u32| (0..count).map(|i| pod(&format!("p{i:04}"), if i % 50 == 7 { 100.0 } else { 0.0 })).collect();
    let server = StandIn::new(many(1500), right);
    let ended = fleet(&bench, &server.url, &["--memory", "mem", "--format", "jsonl"]);
    assert_eq!(ended.code, Some(10), "{}", ended.stderr);
    let lines = lines(&ended);
    assert_eq!(lines.len(), 1500);
    let leaks: Vec<_> = lines.iter().take_while(|line| line["verdict"] == "leak").collect();
    assert_eq!(leaks.len(), 30);
    let asked = server.asked();
    assert!(asked.len() > 1 && server.connections() <= 4, "{} {}", asked.len(), server.connections());
    assert!(asked.iter().all(|one| one.query().len() <= 12 << 10));
    // More points than a server answers at once, and an expression, which can only be narrowed as a whole.
    let server = StandIn::new(many(9), right);
    let ended =
        fleet(&bench, &server.url, &["--memory", "sum(mem)", "--since", "2d", "--step", "4s", "--format", "jsonl"]);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert_eq!(ended.stdout.lines().count(), 9);
    let narrowed = server.asked().iter().filter(|one| one.query().contains("label_replace")).count();
    assert!(narrowed >= 8, "{narrowed}");
}

/// A fleet of which a portion holds three series, for each has 72,001 readings; and what a bad server does with the first portion.
fn with_one_bad(reply: impl Fn() -> Reply + Send + Sync + 'static) -> StandIn {
    let series = ["a", "b", "c", "leaking"].map(|name| pod(name, if name == "leaking" { 100.0 } else { 0.0 }));
    StandIn::new(series.into(), move |asked: &Asked| {
        let bad = asked.path.ends_with("query_range") && asked.query().contains("a|b|c");
        if bad { reply() } else { Reply::Right }
    })
}

const LONG: [&str; 8] = ["--memory", "mem", "--since", "20h", "--step", "1s", "--timeout", "2s"];

fn answer(status: u16, length: usize, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

#[test]
fn a_bad_answer_is_told_and_nothing_else_is_lost() {
    let error = r#"{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory"}"#;
    const VECTOR: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
    type Case = (&'static str, fn(&str) -> Reply, &'static str);
    let cases: Vec<Case> = vec![
        ("an error", |e| Reply::Raw(answer(422, e.len(), e)), "too many samples into memory); ask for less"),
        ("a success that is none", |e| Reply::Raw(answer(200, e.len(), e)), "answered with an error"),
        ("a status", |_| Reply::Raw(answer(500, 4, "oops")), "answered with status 500 (oops)"),
        ("who are you", |_| Reply::Raw(answer(401, 0, "")), "give --bearer-token-file, --basic or --header"),
        ("elsewhere", |_| Reply::Raw(answer(302, 0, "")), "it leads elsewhere"),
        ("silence", |_| Reply::Silence, "nothing whole came within 2s; ask for less"),
        (
            "cut off",
            |_| Reply::Raw(answer(200, 5000, "{\"status\":")),
            "closed the connection before its answer was whole",
        ),
        ("too short a length", |_| Reply::Raw(answer(200, 10, "{\"status\":\"success\"}")), "cut off after 10 bytes"),
        ("an absurd length", |_| Reply::Raw(answer(200, usize::MAX, "{}")), "before its answer was whole"),
        ("no number", |_| Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n".to_vec()), "malformed length"),
        ("endless", |_| Reply::Endless(vec![b' '; 1 << 20]), "malformed head"),
        ("a page", |_| Reply::Raw(answer(200, 6, "<html>")), "expected JSON of Prometheus' API, found `<html>`"),
        ("a vector", |_| Reply::Raw(answer(200, VECTOR.len(), VECTOR)), "found a vector"),
        ("nothing at all", |_| Reply::Raw(Vec::new()), "closed the connection"),
    ];
    let bench = Bench::new();
    for (name, reply, told) in cases {
        let server = with_one_bad(move || reply(error));
        let begun = Instant::now();
        let ended = fleet(&bench, &server.url, &[&LONG[..], &["--format", "jsonl"]].concat());
        assert!(begun.elapsed() < Duration::from_secs(30), "{name}");
        assert_eq!(ended.code, Some(10), "{name}: {}", ended.story());
        let lines = lines(&ended);
        assert_eq!(lines.len(), 4, "{name}: {}", ended.story());
        assert_eq!(lines[0]["labels"]["pod"], "leaking", "{name}: {}", ended.story());
        let errors: Vec<&str> = lines.iter().filter_map(|line| line["error"].as_str()).collect();
        assert!(errors.len() == 3 && errors.iter().all(|error| error.contains(told)), "{name}: {errors:?}");
    }
    // Without a leak it is no pass either.
    let server = with_one_bad(|| Reply::Raw(Vec::new()));
    let ended = fleet(&bench, &server.url, &[&LONG[..], &["--budget", "1 GiB/hour"]].concat());
    assert_eq!(ended.code, Some(1), "{}", ended.story());
    assert!(
        ended.stdout.contains("the fleet is NOT JUDGED WHOLE: of 4 series 3 could not be judged, 1 is clean."),
        "{}",
        ended.story()
    );
}

#[test]
fn a_server_that_has_gone_is_not_asked_on_and_on() {
    let series = (0..60).map(|i| pod(&format!("p{i}"), 0.0)).collect();
    let server = StandIn::new(series, |asked: &Asked| {
        if asked.path.ends_with("query_range") { Reply::Raw(answer(503, 0, "")) } else { Reply::Right }
    });
    let ended = fleet(&Bench::new(), &server.url, &LONG);
    assert_eq!(ended.code, Some(1), "{}", ended.story());
    assert_eq!(ended.stdout.matches("NOT JUDGED  ").count(), 60, "{}", ended.story());
    assert!(ended.stdout.contains("the server had failed 8 times in a row"), "{}", ended.story());
    assert!((8..=12).contains(&(server.asked().len() - 1)), "{}", server.asked().len());
}

#[test]
fn what_has_just_begun_is_open_whatever_is_allowed() {
    let now = long_ago() + 3.0 * 86_400.0;
    let new = Series::new("mem", &[("pod", "new")], move |t| (t > now - 40.0).then_some(50.0 * MIB));
    let server = StandIn::new(vec![new], right);
    for budget in ["5%", "10 MiB", "1 MiB/hour"] {
        let ended = fleet(&Bench::new(), &server.url, &["--memory", "mem", "--budget", budget]);
        assert_eq!(ended.code, Some(11), "{budget}: {}", ended.story());
    }
}

#[test]
fn an_answer_without_an_end_is_given_up() {
    let server = with_one_bad(|| {
        let mut bytes = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        bytes.resize(80 << 20, b' ');
        Reply::Raw(bytes)
    });
    let ended =
        fleet(&Bench::new(), &server.url, &LONG.map(|argument| if argument == "2s" { "60s" } else { argument }));
    assert!(ended.stdout.contains("the page is longer than 64 MiB"), "{}", ended.story());
}

#[test]
fn a_broken_connection_is_tried_again_and_a_warning_is_no_pass() {
    let bench = Bench::new();
    let first = std::sync::atomic::AtomicBool::new(true);
    let server = StandIn::new(vec![pod("a", 0.0)], move |_: &Asked| {
        if first.swap(false, std::sync::atomic::Ordering::SeqCst) { Reply::Raw(Vec::new()) } else { Reply::Right }
    });
    let ended = fleet(&bench, &server.url, &["--memory", "mem"]);
    assert_eq!(ended.code, Some(0), "{}", ended.story());
    let cases = [
        (r#""warnings":["store is away"]"#, "The server warns: store is away."),
        (r#""isPartial":true"#, "The server warns: its answer is partial"),
    ];
    for (field, told) in cases {
        let server = StandIn::new(vec![pod("a", 0.0)], move |asked: &Asked| {
            if !asked.path.ends_with("/series") {
                return Reply::Right;
            }
            let data = r#"[{"__name__":"mem","job":"shop","pod":"a"}]"#;
            let body = format!(r#"{{"status":"success",{field},"data":{data}}}"#);
            Reply::Raw(answer(200, body.len(), &body))
        });
        let ended = fleet(&bench, &server.url, &["--memory", "mem"]);
        assert_eq!(ended.code, Some(1), "{}", ended.story());
        assert!(ended.stdout.contains(told), "{}", ended.story());
    }
}

#[test]
fn who_asks_is_told_to_the_server_alone() {
    let bench = Bench::new();
    // It tells whoever asks what it was told.
    let server = StandIn::new(Vec::new(), |asked: &Asked| {
        let said = asked.head.lines().find(|line| line.to_lowercase().starts_with("authorization")).unwrap_or("nobody");
        let body = serde_json::json!({ "status": "error", "errorType": "bad_data", "error": said }).to_string();
        Reply::Raw(answer(400, body.len(), &body))
    });
    bench.write("token", "hunter2hunter2\n");
    let cases: [(&[&str], &str); 3] = [
        (&["--bearer-token-file", "token"], "Authorization: Bearer hunter2hunter2"),
        (&["--basic", "joe:token"], "Authorization: Basic am9lOmh1bnRlcjJodW50ZXIy"),
        (&["--header", "Authorization: Token hunter2hunter2"], "Authorization: Token hunter2hunter2"),
    ];
    for (arguments, sent) in cases {
        let ended = fleet(&bench, &server.url, &[&["--memory", "mem"], arguments].concat());
        assert_eq!(ended.code, Some(1), "{}", ended.story());
        assert!(server.asked().last().unwrap().head.contains(sent), "{:?}", server.asked().last());
        let all = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!all.contains("hunter2") && !all.contains("am9lOmh1"), "{all}");
    }
    for arguments in [
        &["--basic", "joe"][..],
        &["--header", "x"],
        &["--bearer-token-file", "nowhere"],
        &["--since", "1m"],
        &["--budget", "descriptors=5%"],
    ] {
        let ended = fleet(&bench, &server.url, &[&["--memory", "mem"], arguments].concat());
        assert_eq!(ended.code, Some(2), "{}", ended.story());
    }
    let server = StandIn::new(vec![pod("a", 0.0)], right);
    let ended = fleet(&bench, &format!("{}?token=hunter2hunter2", server.url), &["--memory", "mem"]);
    assert_eq!(ended.code, Some(0), "{}", ended.story());
    assert!(
        server.asked()[0].path.ends_with("?token=hunter2hunter2") && !ended.stdout.contains("hunter2"),
        "{}",
        ended.story()
    );
    let ended = fleet(&bench, "https://127.0.0.1:9090", &["--memory", "mem"]);
    assert_eq!((ended.code, ended.stderr.contains("has no TLS")), (Some(2), true), "{}", ended.story());
}

#[test]
fn what_is_meant_otherwise_is_told_and_no_pass() {
    let bench = Bench::new();
    let of = |name: &str, value: fn(f64) -> f64| Series::new(name, &[("pod", "a")], move |t| Some(value(t)));
    let server = StandIn::new(
        vec![
            of("process_resident_memory_bytes", |_| 50.0 * MIB),
            of("up", |_| 1.0),
            of("used_mib", |t| 200.0 + t % 7.0),
        ],
        right,
    );
    for (query, told) in [
        (
            "process_resident_memory_byte",
            "no metric `process_resident_memory_byte`; it has `process_resident_memory_bytes`",
        ),
        ("container_memory_rss", "the server has no metric `container_memory_rss`; is its exporter scraped?"),
        ("up{pod=\"b\"}", "the server has `up`; check the labels, or give a longer --since"),
    ] {
        let ended = fleet(&bench, &server.url, &["--memory", query]);
        assert_eq!(ended.code, Some(1), "{}", ended.story());
        assert!(ended.stdout.contains("the fleet is EMPTY") && ended.stderr.contains(told), "{}", ended.story());
    }
    // It isn't in bytes.
    let ended = fleet(&bench, &server.url, &["--memory", "up"]);
    assert_eq!(ended.code, Some(1), "{}", ended.story());
    let told = ["no process has so few", "`QUERY * 1048576` for MiB"];
    assert!(told.iter().all(|told| ended.stdout.contains(told)), "{}", ended.story());
    let named = fleet(&bench, &server.url, &["--memory", "used_mib"]);
    assert!(named.stdout.contains("memory, in units of 1 MiB by its name"), "{}", named.story());
    let file = bench.write("table.csv", "time_s,rss_kib\n");
    for (url, query, told) in [
        ("table.csv", "up", "`seepage analyze table.csv` judges files"),
        (&server.url, "rate(process_resident_memory_bytes[5m])", "is a rate: give memory itself"),
        ("https://metrics.example.org", "up", "with the options cert, key and cafile"),
    ] {
        let ended = fleet(&bench, url, &["--memory", query]);
        assert_eq!(ended.code, Some(2), "{}", ended.story());
        assert!(ended.stderr.contains(told), "{}", ended.story());
    }
    for (option, value, told) in [
        ("--budget", "1 KB/hour", "write kB for 1000, KiB for 1024"),
        ("--budget", "-1 MiB/hour", "found `-1 MiB/hour`"),
        ("--timeout", "0s", "expected more than no time at all"),
        ("--since", "-6h", "`-6h` is not a duration"),
        ("--by", "pod,,job", "expected labels, with commas between"),
        ("--memory", "process_resident_memory_bytes,used_mib", "has several metrics: expected one query"),
    ] {
        let usual = ["--memory", "process_resident_memory_bytes"];
        let usual = if option == "--memory" { &usual[..0] } else { &usual };
        let ended = fleet(&bench, &server.url, &[usual, &[option, value]].concat());
        assert_eq!(ended.code, Some(2), "{option} {value}: {}", ended.story());
        assert!(ended.stderr.contains(told), "{option} {value}: {}", ended.story());
    }
    let ended =
        fleet(&bench, &server.url, &["--memory", "process_resident_memory_bytes", "--to", file.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1), "{}", ended.story());
    assert!(ended.stderr.contains("could not make ") && ended.stderr.contains("table.csv: "), "{}", ended.story());
}
