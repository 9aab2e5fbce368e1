//! `seepage analyze` on files that other tools wrote, as a user calls it.

use crate::common::{Bench, Ended};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// Readings a second apart of a worker that keeps `kept` bytes of each of its ten requests a second.
fn readings(count: u64, kept: u64) -> impl Iterator<Item = (u64, u64, u64)> {
    (0..count).map(move |i| (i, 10 * i, (20_000 + 10 * i * kept / 1024 + i * 7 % 5) / 4 * 4))
}

fn csv(count: u64, kept: u64) -> String {
    let mut text = "elapsed_s,requests,anon_kib,swap_kib\n".to_owned();
    readings(count, kept).for_each(|(t, requests, kib)| writeln!(text, "{t},{requests},{kib},0").unwrap());
    text
}

fn analyze(bench: &Bench, arguments: &[&str]) -> Ended {
    bench.ended(bench.seepage().arg("analyze").args(arguments).output().unwrap())
}

fn lines(ended: &Ended) -> Vec<Value> {
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// The answer for one file, whose exit code must be that of its verdict.
fn judged(bench: &Bench, arguments: &[&str]) -> Value {
    let ended = analyze(bench, &[arguments, &["--format", "jsonl"]].concat());
    let value = lines(&ended).pop().unwrap_or_else(|| panic!("{}", ended.story()));
    let code = match value["verdict"].as_str() {
        Some("leak") => 10,
        Some("clean") => 0,
        Some("inconclusive") => 11,
        _ => 1,
    };
    assert_eq!(ended.code, Some(code), "{}", ended.story());
    value
}

fn near(value: &Value, expected: f64) {
    let estimate = value["estimate"].as_f64().unwrap_or_else(|| panic!("{value}"));
    assert!((estimate / expected - 1.0).abs() < 0.05, "expected about {expected}: {value}");
}

#[test]
fn each_answer_has_its_exit_code_and_its_words() {
    let bench = Bench::new();
    for (text, code, word) in [(csv(300, 500), 10, "LEAK"), (csv(300, 0), 0, "CLEAN"), (csv(8, 80), 11, "INCONCLUSIVE")]
    {
        bench.write("x.csv", &text);
        let ended = analyze(&bench, &["x.csv"]);
        assert_eq!(ended.code, Some(code), "{}", ended.story());
        let first = ended.stdout.lines().find(|line| line.starts_with("x.csv ") && !line.ends_with("was read as"));
        assert!(first.unwrap_or_default().contains(word), "{}", ended.story());
    }
    let mapped = analyze(&bench, &["x.csv", "--inconclusive", "pass"]);
    assert_eq!(mapped.code, Some(0), "{}", mapped.story());
    let json = analyze(&bench, &["x.csv", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&json.stdout).unwrap()["verdict"], "inconclusive");
}

#[test]
fn the_budget_is_the_gate() {
    let bench = Bench::new();
    bench.write("x.csv", &csv(300, 500));
    assert_eq!(judged(&bench, &["x.csv", "--budget", "2 KiB/request"])["class"], "within-budget");
    assert_eq!(judged(&bench, &["x.csv", "--budget", "100 B/request"])["verdict"], "leak");
    let wrong = analyze(&bench, &["x.csv", "--budget", "0.1/request"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.story());
    assert!(wrong.stderr.contains("such as `64 B/request`"), "{}", wrong.story());
    // Asked for, but not in the file: not passed over.
    let missing = judged(&bench, &["x.csv", "--budget", "2 KiB/request", "--budget", "descriptors=0.01/request"]);
    assert_eq!((&missing["verdict"], &missing["resource"]), (&"inconclusive".into(), &"descriptors".into()));
}

#[test]
fn many_files_give_a_line_each_in_their_order_and_errors_stop_nothing() {
    let bench = Bench::new();
    bench.write("leak.csv", &csv(300, 500));
    bench.write("clean.csv", &csv(300, 0));
    bench.write("open.csv", &csv(8, 80));
    bench.write("broken.csv", "elapsed_s,requests,anon_kib\n1,2,3\n2,x,3\n");
    let names = ["clean.csv", "broken.csv", "leak.csv", "gone.csv", "open.csv", "clean.csv"];
    let ended = analyze(&bench, &[&names[..], &["--format", "jsonl"]].concat());
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    let lines = lines(&ended);
    let schema = jsonschema::validator_for(&seepage::report::jsonl_schema()).unwrap();
    assert!(lines.iter().all(|line| schema.is_valid(line)), "{}", ended.story());
    assert_eq!(lines.iter().map(|l| l["file"].as_str().unwrap()).collect::<Vec<_>>(), names);
    let verdicts: Vec<_> = lines.iter().map(|l| l.get("verdict").and_then(Value::as_str)).collect();
    assert_eq!(verdicts, [Some("clean"), None, Some("leak"), None, Some("inconclusive"), Some("clean")]);
    let error = lines[1]["error"].as_str().unwrap();
    assert!(error.starts_with("broken.csv:3: column `requests`: expected a number"), "{error}");
    near(&lines[2], 500.0);
    assert_eq!((&lines[2]["resource"], &lines[2]["per"]), (&"memory".into(), &"request".into()));

    let code = |files: &[&str]| analyze(&bench, files).code;
    assert_eq!(code(&["clean.csv", "clean.csv"]), Some(0));
    assert_eq!(code(&["clean.csv", "open.csv"]), Some(11));
    assert_eq!(code(&["clean.csv", "open.csv", "broken.csv"]), Some(1));
    assert_eq!(code(&["clean.csv", "open.csv", "--format", "json"]), Some(2));
    let terminal = analyze(&bench, &["clean.csv", "broken.csv"]).stdout;
    let first = terminal.lines().take(2).collect::<Vec<_>>();
    assert_eq!(first, ["clean.csv", "clean.csv was read as"], "{terminal}");
    assert!(terminal.contains("\nclean.csv is CLEAN: "), "{terminal}");
    assert!(terminal.contains("broken.csv\nerror: broken.csv:3: "), "{terminal}");
}

#[test]
fn columns_are_mapped() {
    let bench = Bench::new();
    let mut text = "when;heap;served;slot\n".to_owned();
    for (t, requests, kib) in readings(300, 500) {
        writeln!(text, "{},5;{};{requests};a", t, kib).unwrap();
        writeln!(text, "{},5;{};{};b", t, 20_000, 2 * requests + 1_000_000).unwrap();
    }
    bench.write("x.csv", &text);
    let map =
        ["x.csv", "--time", "when", "--time-unit", "s", "--memory", "Heap", "--requests", "served", "--worker", "slot"];
    let unknown = analyze(&bench, &map);
    assert_eq!(unknown.code, Some(1), "{}", unknown.story());
    assert!(unknown.stderr.contains("x.csv:1: the unit of column `heap` isn't known"), "{}", unknown.story());
    let value = judged(&bench, &[&map[..], &["--memory-unit", "KiB"]].concat());
    assert_eq!(value["verdict"], "leak", "{value}");
    // Of two workers one leaks, and is told.
    near(&value, 500.0);
    let gone = analyze(&bench, &["x.csv", "--memory", "rss"]);
    assert!(gone.stderr.contains("no column is called `rss`, as --memory wants it; found: `when`"), "{}", gone.story());
}

#[test]
fn descriptors_and_threads_of_a_file_are_judged() {
    let bench = Bench::new();
    let mut text = "time_s,requests,fds,threads\n".to_owned();
    (0..300).for_each(|i| writeln!(text, "{i},{},{},4", i * 10, 20 + i / 2).unwrap());
    bench.write("x.csv", &text);
    let value = judged(&bench, &["x.csv"]);
    assert_eq!((&value["verdict"], &value["resource"]), (&"leak".into(), &"descriptors".into()), "{value}");
    near(&value, 0.05);
    assert_eq!(judged(&bench, &["x.csv", "--budget", "descriptors=1/request"])["verdict"], "clean");
}

#[test]
fn profilers_files_have_growth_per_second() {
    let bench = Bench::new();
    let mut psrecord = "# Elapsed time   CPU (%)     Real (MB)   Virtual (MB)\n".to_owned();
    let mut mprof = "CMDLINE python server.py\n".to_owned();
    for i in 0..300 {
        let mib = 20.0 + f64::from(i) * 0.01;
        writeln!(psrecord, "{:12.3} {:12.3} {mib:12.3} {:12.3}", f64::from(i), 3.5, 200.0).unwrap();
        writeln!(mprof, "MEM {mib:.6} {:.4}\nCHLD 0 10.0 {:.4}", 1.7e9 + f64::from(i), 1.7e9 + f64::from(i)).unwrap();
    }
    bench.write("activity.txt", &psrecord);
    bench.write("mprofile.dat", &mprof);
    let value = judged(&bench, &["activity.txt"]);
    assert_eq!((&value["verdict"], &value["per"]), (&"leak".into(), &"second".into()), "{value}");
    near(&value, 0.01 * 1024.0 * 1024.0);
    assert_eq!(judged(&bench, &["activity.txt", "--budget", "1 GiB/hour"])["verdict"], "clean");
    assert_eq!(judged(&bench, &["activity.txt", "--budget", "64 B/request"])["verdict"], "inconclusive");
    let mixed = analyze(&bench, &["activity.txt", "--budget", "1 GiB/hour", "--budget", "threads=1/request"]);
    assert_eq!(mixed.code, Some(2), "{}", mixed.story());
    let value = judged(&bench, &["mprofile.dat"]);
    // The process leaks, and its child keeps its size.
    near(&value, 0.01 * 1024.0 * 1024.0);
}

#[test]
fn a_pool_that_recycles_under_one_pid_is_seen_through() {
    let bench = Bench::new();
    let mut text = "time_s,pid,requests,anon_kib\n".to_owned();
    for t in 0..600 {
        for pid in [7, 8] {
            let age = (t + pid * 13) % 60;
            let noise = (t * 7 + pid) % 5 * 4;
            writeln!(text, "{t},{pid},{},{}", age * 10, 20_000 + age * 10 + noise).unwrap();
        }
    }
    bench.write("x.csv", &text);
    let value = judged(&bench, &["x.csv"]);
    assert_eq!(value["verdict"], "leak", "{value}");
    near(&value, 1024.0);
}

/// A run directory, written as the engine writes it, of two workers of which both keep `kept` bytes a request.
fn run_directory(parent: &Path, kept: u64) -> std::path::PathBuf {
    use seepage::model::{Sample, WorkerId};
    use seepage::store::{Entry, RunDirectory};
    let meta = serde_json::json!({
        "format": "1.2", "seepage": "0.1.0", "id": "x", "name": "x", "started": "2026-01-01T00:00:00Z",
        "elapsed": 300.0, "status": "complete", "seed": 1,
        "host": { "kernel": "6", "cpus": 2, "memory": 1, "page": 4096, "ticks": 100 },
        "target": { "command": ["x"], "workers": "children" },
        "counting": { "source": "access-log", "per_worker": true, "worth": "" }, "classes": [],
        "budgets": { "memory": 64.0, "descriptors": 0.01, "threads": 0.01, "tmpfs": null },
        "gates": { "error_rate": null, "p50": null, "p95": null, "p99": null }, "config": {}
    });
    let mut run = RunDirectory::create(parent, "run").unwrap();
    for (t, requests, kib) in readings(300, kept) {
        for pid in [7, 8] {
            let mut sample = Sample::new(t as f64 + 0.1, WorkerId::new(pid, 99));
            sample.anon = Some(1024 * (kib + u64::from(pid) % 2 * 4));
            (sample.swap, sample.requests) = (Some(0), Some(requests + u64::from(pid)));
            (sample.fds, sample.threads) = (Some(20), Some(4));
            run.append(&Entry::Sample(sample)).unwrap();
        }
    }
    run.write_head(&serde_json::from_value(meta).unwrap()).unwrap();
    run.flush().unwrap();
    run.path().to_owned()
}

#[test]
fn the_samples_of_a_run_as_csv_are_judged_as_the_run_is() {
    for (kept, verdict) in [(500, "leak"), (0, "clean")] {
        let bench = Bench::new();
        let run = run_directory(bench.path(), kept);
        let rendered = bench.seepage().arg("report").arg(&run).args(["--format", "csv"]).output().unwrap();
        bench.write("samples.csv", &String::from_utf8(rendered.stdout).unwrap());
        let of_run = judged(&bench, &[run.to_str().unwrap()]);
        let of_file = judged(&bench, &["samples.csv"]);
        assert_eq!(of_run["verdict"], verdict, "{of_run}");
        for key in ["verdict", "resource", "class", "per"] {
            assert_eq!(of_file[key], of_run[key], "{of_file} {of_run}");
        }
        let difference = of_file["estimate"].as_f64().unwrap() - of_run["estimate"].as_f64().unwrap();
        assert!(difference.abs() < 1.0, "{of_file} {of_run}");
        let within = judged(&bench, &[run.to_str().unwrap(), "--budget", "2 KiB/request"]);
        assert_eq!(within["verdict"], "clean", "{within}");
    }
}

/// A reading a minute of resident memory, with half a MiB more each time.
fn minutes(count: u64, row: impl Fn(u64, u64) -> String) -> String {
    (0..count).map(|i| row(i, 90_000 + 512 * i + i * 37 % 5) + "\n").collect()
}

#[test]
fn what_was_understood_is_said_before_what_follows_from_it() {
    let bench = Bench::new();
    let row = |i: u64, kib: u64| format!("{},{kib},{i},{},x", 1_767_225_600_000 + 60_000 * i, 500 + i * 37 % 11);
    bench.write("x.csv", &format!("timestamp,rss_kib,cpu,requests,host\n{}", minutes(90, row)));
    let terminal = analyze(&bench, &["x.csv"]);
    insta::assert_snapshot!("understood", terminal.stdout);
    let json: Value = serde_json::from_str(&analyze(&bench, &["x.csv", "--format", "json"]).stdout).unwrap();
    let line = judged(&bench, &["x.csv"]);
    assert_eq!(json["understood"], line["understood"]);
    insta::assert_snapshot!("understood_json", serde_json::to_string_pretty(&line["understood"]).unwrap());
}

#[test]
fn what_may_mean_two_things_is_refused_with_the_option_that_settles_it() {
    let bench = Bench::new();
    let both = minutes(60, |i, kib| format!("{},{:.1},{kib},{}", 1_767_225_600 + 60 * i, 0.3 * i as f64, kib + 9));
    bench.write("clocks.csv", &format!("timestamp,time,rss_kib,x\n{both}"));
    bench.write(
        "dots.csv",
        &format!("time_s;rss_kib\n{}", minutes(60, |i, kib| format!("{};{}.{:03}", 60 * i, kib / 1000, kib % 1000))),
    );
    bench
        .write("wide.csv", &format!("time_s,web-1,web-2\n{}", minutes(60, |i, kib| format!("{},{kib},90000", 60 * i))));
    bench
        .write("day.csv", &format!("time,rss_kib\n{}", minutes(60, |i, kib| format!("03/04/2026 00:{i:02}:00,{kib}"))));
    bench.write("coarse.csv", &format!("time,rss_kib\n{}", minutes(60, |i, kib| format!("{},{kib}", 60_000 * i))));
    let cases: [(&str, &str, &[&str]); 5] = [
        (
            "clocks.csv",
            "clocks.csv:1: more than one column could be the time: `timestamp` and `time`; choose with --time",
            &["--time", "timestamp"],
        ),
        ("dots.csv", "`90.000` may be 90000 or 90.000: say which with --decimal", &["--decimal", "comma"]),
        ("wide.csv", "say its unit with --memory-unit", &["--memory-unit", "KiB"]),
        ("day.csv", "say what it looks like with --time-format", &["--time-format", "%d/%m/%Y %H:%M:%S"]),
        ("coarse.csv", "nothing says their unit: give it with --time-unit", &["--time-unit", "ms"]),
    ];
    for (file, asks, answer) in cases {
        let refused = analyze(&bench, &[file]);
        assert!(refused.code == Some(1) && refused.stderr.contains(asks), "{}", refused.story());
        let value = judged(&bench, &[&[file], answer].concat());
        assert_eq!(value["verdict"], "leak", "{file}: {value}");
    }
    for (option, value, says) in [
        ("--memory-unit", "KB", "write kB for 1000, KiB for 1024"),
        ("--time-unit", "weeks", "expected s, ms, us, ns, min, h or days"),
        ("--time-format", "day", "such as '%d/%m/%Y %H:%M:%S'"),
        ("--where", "x", "expected COLUMN=VALUE"),
    ] {
        let wrong = analyze(&bench, &["day.csv", option, value]);
        assert!(wrong.code == Some(2) && wrong.stderr.contains(says), "{}", wrong.story());
    }
}

#[test]
fn standard_input_and_what_gzip_compressed_are_read() {
    let bench = Bench::new();
    let text = format!("time_s,rss_kib\n{}", minutes(60, |i, kib| format!("{},{kib}", 60 * i)));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, text.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    std::fs::write(bench.path().join("x.csv.gz"), &packed).unwrap();
    assert_eq!(judged(&bench, &["x.csv.gz"])["verdict"], "leak");
    std::fs::write(bench.path().join("cut.csv.gz"), &packed[..packed.len() / 2]).unwrap();
    // What is there of it is judged, and a line that is torn is told as ever.
    let cut = analyze(&bench, &["cut.csv.gz"]);
    let told = ["What gzip compressed ends in the middle", "Memory grew from"];
    assert!(told.iter().all(|told| cut.stdout.contains(told)), "{}", cut.story());
    let mut damaged = packed.clone();
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(bench.path().join("damaged.csv.gz"), &damaged).unwrap();
    let damaged = judged(&bench, &["damaged.csv.gz"]);
    assert!(damaged["error"].as_str().is_some_and(|error| error.starts_with("damaged.csv.gz: ")), "{damaged}");
    let mut command = bench.seepage();
    command.args(["analyze", "-"]).stdin(std::fs::File::open(bench.path().join("x.csv.gz")).unwrap());
    let ended = bench.ended(command.output().unwrap());
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert!(ended.stdout.contains("\nstandard input LEAKS: "), "{}", ended.story());
}

#[test]
fn what_zstd_compressed_is_read_frame_by_frame() {
    let bench = Bench::new();
    let text = format!("time_s,rss_kib\n{}", minutes(60, |i, kib| format!("{},{kib}", 60 * i)));
    let pack =
        |text: &str| ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
    let (first, second) = text.split_at(text.len() / 2);
    let packed = [pack(first), pack(second)].concat();
    std::fs::write(bench.path().join("x.csv.zst"), &packed).unwrap();
    assert_eq!(judged(&bench, &["x.csv.zst"])["verdict"], "leak");
    // What `pzstd` puts before each frame is its own.
    let aside = [&b"\x50\x2a\x4d\x18\x04\0\0\0abcd"[..], b"\x5f\x2a\x4d\x18\0\0\0\0"].concat();
    let asides = [&aside[..], &pack(first), &aside, &pack(second), &aside].concat();
    std::fs::write(bench.path().join("asides.csv.zst"), &asides).unwrap();
    assert_eq!(judged(&bench, &["asides.csv.zst"])["verdict"], "leak");
    std::fs::write(bench.path().join("aside.csv.zst"), &asides[..asides.len() - 10]).unwrap();
    assert!(judged(&bench, &["aside.csv.zst"])["error"].as_str().is_some_and(|error| error.contains("is cut off")));
    std::fs::write(bench.path().join("cut.csv.zst"), &packed[..packed.len() - 20]).unwrap();
    let cut = judged(&bench, &["cut.csv.zst"]);
    assert_eq!(
        cut["error"],
        "cut.csv.zst: what zstd compressed is cut off: `zstd -dc FILE | seepage analyze -` judges what came before"
    );
}

#[test]
fn a_warm_up_is_cut_from_each_life() {
    let bench = Bench::new();
    // Two lives of two hours, each of which fills a cache for most of it in a straight line.
    let kib = |i: u64| 80_000 + 1000 * (i % 120).min(80) + (i.wrapping_mul(2_654_435_761) >> 7 & 31) * 4;
    let rows: String = (0..240).map(|i| format!("{},{},{}\n", 60 * i, 1000 + i / 120, kib(i))).collect();
    bench.write("x.csv", &format!("time_s,pid,rss_kib\n{rows}"));
    assert_ne!(judged(&bench, &["x.csv"])["class"], "flat");
    let cut = judged(&bench, &["x.csv", "--warm-up", "81m"]);
    assert_eq!((&cut["verdict"], &cut["class"]), (&"clean".into(), &"flat".into()));
    let told = analyze(&bench, &["x.csv", "--warm-up", "81m"]);
    assert!(told.stdout.contains("162 of 240 readings are left out"), "{}", told.story());
    let long = analyze(&bench, &["x.csv", "--warm-up", "2h"]);
    assert_eq!(long.code, Some(1), "{}", long.story());
    assert!(long.stderr.contains("no life is longer than --warm-up 2 h"), "{}", long.story());
    std::fs::create_dir(bench.path().join("run")).unwrap();
    let run = analyze(&bench, &["run", "--warm-up", "2h"]);
    assert!(run.stderr.contains("--warm-up is for tables"), "{}", run.story());
    let run = analyze(&bench, &["run", "--memory", "rss_kib"]);
    assert!(run.code == Some(1) && run.stderr.contains("a run directory, which has no columns"), "{}", run.story());
    let negative = analyze(&bench, &["x.csv", "--warm-up", "-5m"]);
    assert!(negative.code == Some(2) && negative.stderr.contains("`-5m` is not a duration"), "{}", negative.story());
}

#[test]
fn budgets_may_be_by_the_day_in_all_or_of_the_first_level() {
    let bench = Bench::new();
    // Half a MiB a minute over an hour, from 88 MiB.
    bench.write("x.csv", &format!("time_s,rss_kib\n{}", minutes(61, |i, kib| format!("{},{kib}", 60 * i))));
    for (budget, verdict) in [
        ("29 MiB", "leak"),
        ("31 MiB", "clean"),
        ("33%", "leak"),
        ("36%", "clean"),
        ("700 MiB/day", "leak"),
        ("740 MiB/day", "clean"),
        ("800 %/day", "leak"),
        ("850 %/day", "clean"),
    ] {
        let value = judged(&bench, &["x.csv", "--budget", budget]);
        assert_eq!(value["verdict"], verdict, "{budget}: {value}");
    }
    let told = analyze(&bench, &["x.csv", "--budget", "33%"]);
    assert!(
        told.stdout.contains("The budget of memory, 33 % of the first level of 87.9 MiB, which is 29 MiB in all of"),
        "{}",
        told.story()
    );
    let mixed = analyze(&bench, &["x.csv", "--budget", "5%", "--budget", "threads=1/request"]);
    assert_eq!(mixed.code, Some(2), "{}", mixed.story());
}

#[test]
fn a_table_is_shown_as_a_run_is() {
    let bench = Bench::new();
    let file = bench.write("leak.csv", &csv(300, 4096));
    let seepage = |arguments: &[&str]| bench.ended(bench.seepage().args(arguments).arg(&file).output().unwrap());
    let explained = seepage(&["explain", "--budget", "32 B/request"]);
    assert_eq!(explained.code, Some(0), "{}", explained.story());
    assert!(explained.stdout.contains("budget 32 B/request"), "{}", explained.story());
    assert!(seepage(&["report", "--format", "html"]).stdout.contains("leak.csv"));
    let shown = bench.path().join("shown");
    let written = seepage(&["report", "--to", shown.to_str().unwrap()]);
    assert_eq!(written.code, Some(0), "{}", written.story());
    for name in ["report.html", "report.md", "junit.xml", "verdict.json", "charts/memory.png"] {
        assert!(shown.join(name).is_file(), "{name}: {}", written.story());
    }
    // What was understood is said in each format, and first.
    for arguments in [
        &["explain"][..],
        &["report", "--format", "md"],
        &["report", "--format", "html"],
        &["report", "--format", "junit"],
    ] {
        let told = seepage(arguments);
        // Markdown has its own way to write a line below.
        let text = told.stdout.replace('\\', "");
        assert!(text.contains("leak.csv was read as") && text.contains("elapsed_s"), "{}", told.story());
    }
    let clean = bench.write("clean.csv", &csv(300, 0));
    let compared = seepage(&["compare", clean.to_str().unwrap()]);
    let first = "the service is WORSE in leak.csv than in clean.csv: each request leaves 4 KiB more";
    assert!(compared.code == Some(12) && compared.stdout.starts_with(first), "{}", compared.story());
    let nowhere = seepage(&["report"]);
    assert!(nowhere.code == Some(2) && nowhere.stderr.contains("--to DIR"), "{}", nowhere.story());
}

#[test]
fn hostile_names_and_values_reach_no_terminal() {
    let bench = Bench::new();
    bench.write("x.csv", "time_s,rss_kib,\u{1b}]0;owned\u{7}\n1,\u{1b}[31mred,2\n");
    for arguments in [&["x.csv"][..], &["x.csv", "x.csv"], &["x.csv", "--format", "jsonl"], &["x.csv", "--pid", "q"]] {
        let ended = analyze(&bench, arguments);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert_eq!(ended.code, Some(1), "{}", ended.story());
        assert!(!said.contains('\u{1b}') && !said.contains('\u{7}'), "{said:?}");
    }
}
