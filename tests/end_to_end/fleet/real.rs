//! Debian's Prometheus with its exporters, on a worker that leaks and one that doesn't.

use crate::common::{Bench, wait_until};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

const PROGRAMS: [&str; 3] = ["prometheus", "prometheus-node-exporter", "prometheus-process-exporter"];

/// Keeps so many bytes ten times a second.
const WORKER: &str = "
import sys, time
kept = [b'x' * 30_000_000]
while True:
    kept.append(bytearray(int(sys.argv[3]) + 1))
    time.sleep(0.1)
";

/// Ends with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(bench: &Bench, program: &str, arguments: &[&str]) -> Running {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(bench.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().unwrap_or_else(|error| panic!("{program}: {error}")))
}

/// An address that nobody listens at.
fn free() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn the_real_prometheus_is_asked_and_the_leak_is_found() {
    let there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if let Some(missing) = PROGRAMS.iter().find(|program| !there(program)) {
        eprintln!("skipped: {missing} is not installed; scripts/setup-tests.sh installs it");
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
