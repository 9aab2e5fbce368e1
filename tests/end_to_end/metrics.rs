//! `--metrics`: readings and verdict as OpenMetrics, which Prometheus' own tool takes and `analyze` reads again; the verdict for a
//! Pushgateway.

use crate::common::{Bench, Demo, Ended, wait_until};
use crate::programs::{are_there, free, start};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

#[test]
fn what_is_written_is_taken_by_promtool_and_judged_alike_again() {
    let bench = Bench::new();
    let file = Demo { fault: "malloc", ..Demo::default() }.write(&bench);
    let ended = bench.run(&file, &["--quiet", "--metrics", "metrics.txt"]);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    let text = std::fs::read_to_string(bench.path().join("metrics.txt")).unwrap();
    assert!(text.contains("seepage_verdict=\"leak\"} 1 ") && text.ends_with("# EOF\n"), "{text}");
    let columns = [
        ["--memory", "seepage_worker_anonymous_bytes"],
        ["--swap", "seepage_worker_swap_bytes"],
        ["--requests", "seepage_worker_requests_total"],
    ];
    let mut analyze = bench.seepage();
    let again = bench.ended(analyze.args(["analyze", "metrics.txt"]).args(columns.concat()).output().unwrap());
    assert_eq!(again.code, Some(10), "{}", again.story());
    if are_there(&["promtool"]) {
        let mut promtool = Command::new("promtool");
        promtool.args(["tsdb", "create-blocks-from", "openmetrics", "metrics.txt", "blocks"]).current_dir(bench.path());
        let output = promtool.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn what_cannot_be_written_is_told_and_a_leak_stays_one() {
    let bench = Bench::new();
    let file = Demo { fault: "malloc", ..Demo::default() }.write(&bench);
    let ended = bench.run(&file, &["--quiet", "--metrics", "nowhere/metrics.txt"]);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert!(ended.stderr.contains("nowhere/metrics.txt could not be written"), "{}", ended.story());
}

/// A run of two workers that keep or don't, whose verdict goes to this address.
fn pushed(bench: &Bench, fault: &str, address: &str) -> Ended {
    let file = Demo { fault, ..Demo::default() }.write(bench);
    let text = std::fs::read_to_string(&file).unwrap().replace(&format!("\"demo-{fault}\""), "\"demo\"");
    std::fs::write(&file, text).unwrap();
    bench.run(&file, &["--quiet", "--metrics", address])
}

#[test]
fn the_real_pushgateway_has_the_verdict_of_the_last_run() {
    if !are_there(&["prometheus-pushgateway"]) {
        return;
    }
    let bench = Bench::new();
    let address = free();
    let listen = format!("--web.listen-address={address}");
    let _running = start(&bench, "prometheus-pushgateway", &[&listen, "--persistence.file="]);
    wait_until("the Pushgateway listens", || TcpStream::connect(&address).is_ok());
    let served = || {
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(stream, "GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    let verdict = |text: &str, which: &str| -> Option<String> {
        let of = format!("seepage_verdict=\"{which}\"}} ");
        let line = text.lines().find(|line| line.starts_with("seepage_verdict{") && line.contains(&of))?;
        assert!(line.contains("job=\"seepage\"") && line.contains("name=\"demo\""), "{line}");
        line.rsplit(' ').next().map(str::to_owned)
    };
    let ended = pushed(&bench, "malloc", &format!("http://{address}"));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(10), ""), "{}", ended.story());
    let text = served();
    assert_eq!(["leak", "clean"].map(|which| verdict(&text, which)), [Some("1".into()), Some("0".into())], "{text}");
    let run = ended.run.as_ref().and_then(|run| run.file_name()).unwrap().to_str().unwrap();
    assert!(text.contains("seepage_growth{") && text.contains("seepage_budget{"), "{text}");
    assert!(text.contains(&format!("run=\"{run}\"")), "{run}: {text}");
    // Another run of the same name takes its place.
    let ended = pushed(&bench, "none", &format!("http://{address}"));
    assert_ne!(ended.code, Some(10), "{}", ended.story());
    let text = served();
    assert_eq!(verdict(&text, "leak"), Some("0".into()), "{text}");
    assert_eq!(text.matches("seepage_run_info{").count(), 1, "{text}");
}

#[test]
fn what_is_not_taken_is_told_and_a_leak_stays_one() {
    let bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever asked may have gone.
            let _ = stream.and_then(|mut stream| {
                let _ = stream.read(&mut [0; 1 << 16])?;
                stream.write_all(b"HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\nfull")
            });
        }
    });
    let ended = pushed(&bench, "malloc", &address);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert!(ended.stdout.contains("demo LEAKS"), "{}", ended.story());
    let told = format!("error: the verdict was not pushed to {address}: it answered with status 500 (full); ");
    assert!(ended.stderr.contains(&told), "{}", ended.story());
    // What is wrong with the address is said before anything is started.
    for (address, told) in [
        ("https://push.example.org", "https:// isn't spoken"),
        ("http://joe:hunter2@127.0.0.1:9091", "a user and a password in an address"),
        ("http://127.0.0.1:9091/metrics/job/mine", "give it without /metrics"),
        ("..", "expected a file, or the address"),
    ] {
        let ended = pushed(&bench, "none", address);
        assert_eq!(ended.code, Some(2), "{}", ended.story());
        assert!(ended.stderr.starts_with("error: --metrics: ") && ended.stderr.contains(told), "{}", ended.story());
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.story());
    }
}
