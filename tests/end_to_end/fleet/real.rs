//! Debian's Prometheus with its exporters, on a worker that leaks and one that doesn't; and its VictoriaMetrics.

use crate::common::{Bench, wait_until};
use crate::programs::{are_there, free, start};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::SystemTime;

const PROGRAMS: [&str; 3] = ["prometheus", "prometheus-node-exporter", "prometheus-process-exporter"];

/// Keeps so many bytes ten times a second.
const WORKER: &str = "
import sys, time
kept = [b'x' * 30_000_000]
while True:
    kept.append(bytearray(int(sys.argv[3]) + 1))
    time.sleep(0.1)
";

/// Values of labels with all that means something in PromQL, in regular expressions and in text.
const ODD: [&str; 13] =
    ["a.b", "a+b", "(x)", "q\"uote", "back\\slash", "new\nline", "ünï", "$d^", "p|q", "[z]", "{w}", "st*r?", ""];

#[test]
fn whatever_labels_say_each_portion_has_its_own_series() {
    if !are_there(&["prometheus", "promtool"]) {
        return;
    }
    const SERIES: usize = 30;
    const POINTS: u64 = 8700;
    let bench = Bench::new();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let mut text = "# TYPE mem gauge\n".to_owned();
    for place in 0..SERIES {
        let pod = format!("{}{place}", ODD[place % ODD.len()]);
        let pod = pod.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        for t in now - POINTS..=now {
            let noise = (t + place as u64).wrapping_mul(2_654_435_761) >> 7 & 0xffff;
            let leak = if place == 4 { 20_000 * (t + POINTS - now) } else { 0 };
            writeln!(text, "mem{{pod=\"{pod}\"}} {} {t}", 100_000_000 + noise + leak).unwrap();
        }
    }
    text.push_str("# EOF\n");
    bench.write("metrics.txt", &text);
    let mut promtool = Command::new("promtool");
    promtool.args(["tsdb", "create-blocks-from", "openmetrics", "metrics.txt", "tsdb"]).current_dir(bench.path());
    assert!(promtool.output().unwrap().status.success());
    bench.write("prometheus.yml", "global: {}\n");
    let server = free();
    let address = format!("--web.listen-address={server}");
    let _running = start(
        &bench,
        "prometheus",
        &["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", "--storage.tsdb.retention.time=30d", &address],
    );
    wait_until("the server answers", || TcpStream::connect(&server).is_ok());
    for query in ["mem", "mem + 0"] {
        let mut seepage = bench.seepage();
        seepage.args(["fleet", &server, "--memory", query, "--since", "8690s", "--step", "1s", "--format", "jsonl"]);
        let mut ended = None;
        wait_until("the server is ready", || {
            let now = bench.ended(seepage.output().unwrap());
            let ready = now.code != Some(1);
            ended = Some(now);
            ready
        });
        let ended = ended.unwrap();
        assert_eq!(ended.code, Some(10), "{query}: {}", ended.story());
        let lines = || ended.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let pods: BTreeSet<String> = lines().map(|line| line["labels"]["pod"].as_str().unwrap().to_owned()).collect();
        assert_eq!(pods, (0..SERIES).map(|place| format!("{}{place}", ODD[place % ODD.len()])).collect(), "{query}");
        let leaks: Vec<_> = lines().filter(|line| line["verdict"] == "leak").collect();
        assert!(leaks.len() == 1 && leaks[0]["labels"]["pod"] == "back\\slash4", "{query}: {leaks:?}");
    }
}

#[test]
fn the_real_prometheus_is_asked_and_the_leak_is_found() {
    if !are_there(&PROGRAMS) {
        return;
    }
    let bench = Bench::new();
    let marker = bench.path().file_name().unwrap().to_string_lossy().into_owned();
    let [server, node, process] = [free(), free(), free()];
    let url = format!("http://{server}");
    bench.write(
        "names.yml",
        &format!("process_names:\n  - name: '{{{{.Matches.Name}}}}'\n    cmdline: ['{marker} (?P<Name>\\w+)']\n"),
    );
    bench.write(
        "prometheus.yml",
        &format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n\
             - {{job_name: process, static_configs: [{{targets: ['{process}']}}]}}\n\
             - {{job_name: node, static_configs: [{{targets: ['{node}']}}]}}\n"
        ),
    );
    let _running = [
        start(&bench, "python3", &["-c", WORKER, &marker, "leaky", "400000"]),
        start(&bench, "python3", &["-c", WORKER, &marker, "clean", "0"]),
        start(&bench, PROGRAMS[2], &["-config.path", "names.yml", "-web.listen-address", &process, "-threads=false"]),
        start(
            &bench,
            PROGRAMS[1],
            &[
                &format!("--web.listen-address={node}"),
                "--collector.disable-defaults",
                "--collector.meminfo",
                "--collector.stat",
            ],
        ),
        start(
            &bench,
            PROGRAMS[0],
            &["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", &format!("--web.listen-address={server}")],
        ),
    ];
    let fleet = |arguments: &[&str]| {
        let usual = ["fleet", &url, "--step", "1s", "--since", "40s"];
        bench.ended(bench.seepage().args(usual).args(arguments).output().unwrap())
    };
    wait_until("the leak is proven", || {
        std::thread::sleep(std::time::Duration::from_secs(2));
        let ended = fleet(&["--preset", "process-exporter", "--format", "jsonl"]);
        let lines = || ended.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let verdict =
            |name: &str| lines().find(|line| line["labels"]["groupname"] == name).map(|line| line["verdict"].clone());
        assert_ne!(verdict("clean"), Some("leak".into()), "{}", ended.story());
        ended.code == Some(10) && verdict("leaky") == Some("leak".into()) && verdict("clean").is_some()
    });
    // An expression, of the other exporter: judged, whatever the machine does just now.
    let ended = fleet(&["--preset", "node-exporter"]);
    assert!(matches!(ended.code, Some(0 | 10 | 11)), "{}", ended.story());
    let ended = fleet(&["--memory", "sum by (groupname) (namedprocess_namegroup_memory_bytes{memtype=\"resident\"}"]);
    assert_eq!(ended.code, Some(1), "{}", ended.story());
    assert!(ended.stderr.contains("status 400") && ended.stderr.contains("check the query"), "{}", ended.story());
}

#[test]
fn the_real_victoriametrics_is_asked_alike() {
    if !are_there(&["victoria-metrics"]) {
        return;
    }
    let bench = Bench::new();
    let server = free();
    let listen = format!("-httpListenAddr={server}");
    let _running = start(&bench, "victoria-metrics", &["-storageDataPath=vm", "-memory.allowedBytes=64MB", &listen]);
    wait_until("VictoriaMetrics listens", || TcpStream::connect(&server).is_ok());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let mut text = String::new();
    for (place, pod) in ODD.iter().enumerate().filter(|(_, pod)| !pod.is_empty()) {
        let pod = pod.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        for t in (now - 3 * 3600..=now).step_by(15) {
            let noise = (t + place as u64).wrapping_mul(2_654_435_761) >> 7 & 0xffff;
            let leak = if place == 4 { 20_000 * (t + 3 * 3600 - now) } else { 0 };
            writeln!(text, "mem{{pod=\"{pod}\"}} {} {t}000", 100_000_000 + noise + leak).unwrap();
        }
    }
    let mut stream = TcpStream::connect(&server).unwrap();
    let head = format!("POST /api/v1/import/prometheus HTTP/1.0\r\ncontent-length: {}\r\n\r\n", text.len());
    stream.write_all((head + &text).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 204 "), "{answer}");
    let fleet = |url: &str, query: &str| {
        let usual = ["--memory", query, "--since", "2h", "--step", "30s", "--format", "jsonl"];
        bench.ended(bench.seepage().args(["fleet", url]).args(usual).output().unwrap())
    };
    let url = format!("http://{server}");
    // What was imported is found after a moment.
    wait_until("all series are there", || fleet(&url, "mem").stdout.lines().count() == ODD.len() - 1);
    for query in ["mem", "mem + 0"] {
        let ended = fleet(&url, query);
        assert_eq!(ended.code, Some(10), "{query}: {}", ended.story());
        let lines = || ended.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let pods: BTreeSet<String> = lines().map(|line| line["labels"]["pod"].as_str().unwrap().to_owned()).collect();
        assert_eq!(pods, ODD.iter().filter(|pod| !pod.is_empty()).map(|pod| (*pod).to_owned()).collect(), "{query}");
        let leaks: Vec<_> = lines().filter(|line| line["verdict"] == "leak").collect();
        assert!(leaks.len() == 1 && leaks[0]["labels"]["pod"] == "back\\slash", "{query}: {leaks:?}");
    }
    // It says otherwise than Prometheus what is wrong.
    for (url, query, told) in [
        (url.clone(), "mem{", "; check the query `mem{`"),
        (format!("{url}/elsewhere"), "mem", "; there is no such API: expected the address of Prometheus"),
    ] {
        let ended = fleet(&url, query);
        assert!(ended.code == Some(1) && ended.stderr.contains(told), "{}", ended.story());
    }
}
