//! An external command as workload, under a real harness.

use crate::common::{Bench, processes, signal, wait_until};
use nix::sys::signal::Signal;

/// A harness file whose workload is `script` for the shell.
fn harness(bench: &Bench, script: &str, count: &str) -> std::path::PathBuf {
    let text = format!(
        "name = 'command'\n\
         [target]\n\
         command = ['sleep', '60']\n\
         workers = 'self'\n\
         ready = {{ delay = '10ms' }}\n\
         [workload]\n\
         command = ['sh', '-c', {script:?}]\n\
         {count}\n\
         [[phase]]\n\
         kind = 'soak'\n\
         duration = '60s'\n"
    );
    bench.write("harness.toml", &text)
}

#[test]
fn the_command_and_what_it_started_do_not_outlive_a_kill_9_of_the_harness() {
    let bench = Bench::new();
    let marker = format!("7{:07}", std::process::id());
    let mut seepage = bench.start(&harness(&bench, &format!("trap '' TERM INT; sleep {marker} & wait"), ""), &[]);
    wait_until("the command runs", || processes(&format!("sleep {marker}")).len() >= 2);
    signal(seepage.id(), Signal::SIGKILL);
    seepage.wait().unwrap();
    wait_until("all of it is gone", || processes(&marker).is_empty());
}

#[test]
fn a_command_that_fails_is_a_failed_workload_with_its_last_output() {
    let bench = Bench::new();
    let ended = bench.run(&harness(&bench, "echo connection refused; exit 4", ""), &[]);
    assert_eq!(ended.code, Some(22), "{}", ended.story());
    assert!(ended.story().contains("connection refused"), "{}", ended.story());
}

#[test]
fn the_requests_that_a_command_reports_are_the_workload() {
    let bench = Bench::new();
    let count = r"command-requests = '(?P<count>\d+) requests'";
    let ended = bench.run(&harness(&bench, "sleep 1; echo 1234 requests", count), &[]);
    let workload = &ended.json("run.json")["workload"];
    assert_eq!((&workload["model"], &workload["sent"]), (&"command".into(), &1234.into()), "{}", ended.story());
}
