//! A pass covers the whole target: pools whose fault lies beside the memory of the judged workers, and pools that are clean
//! though something beside the workers moves.

use crate::common::{Bench, Ended, LOG, PYTHON, pool};

/// A run of `tests/end_to_end/pools/shop.py` with a fault; `workers` and `requests` are parts of the harness file.
fn run(fault: &str, command: &str, workers: &str, requests: &str) -> Ended {
    let bench = Bench::new();
    let (env, workers) = (format!("FAULT = \"{fault}\""), format!("workers = {workers}"));
    let text = pool(("shop", "shop.py"), command, (&env, &workers), requests, "8s");
    let ended = bench.run(&bench.write("shop.toml", &text), &[]);
    // What the run left lies below the bench, which goes.
    Ended { run: None, ..ended }
}

#[track_caller]
fn judged(fault: &str, code: i32, told: &str) {
    let ended = run(fault, PYTHON, r#""children""#, LOG);
    assert_eq!(ended.code, Some(code), "{fault}: {}", ended.story());
    let told = regex::Regex::new(told).unwrap();
    let first = ended.stdout.split("\n\n").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.is_match(&first), "{fault}: {}", ended.story());
    assert!(code == 10 || !ended.stdout.contains("times as long"), "a longer run doesn't help: {}", ended.story());
}

#[test]
fn a_pool_without_a_fault_passes_and_a_leaking_one_does_not() {
    judged("none", 0, " is CLEAN: ");
    judged("worker-keeps", 10, " LEAKS: ");
}

#[test]
fn a_parent_that_warms_up_a_logger_and_helpers_that_go_are_no_cause_for_doubt() {
    judged("parent-warms", 0, " is CLEAN: ");
    judged("logger", 0, " is CLEAN: ");
    judged("helpers-go", 0, " is CLEAN: ");
}

#[test]
fn a_parent_that_leaks_is_named_with_its_size() {
    let told = r" in processes that are not workers .* PID \d+ \(python3[.\d]*\) grew most, from .* MiB to .* MiB";
    judged("parent-keeps", 10, told);
}

#[test]
fn whom_the_harness_file_leaves_out_is_not_judged_and_that_is_told() {
    let children = "\"children\"\nleave-out = ['shop\\.py']";
    let ended = run("parent-keeps", PYTHON, children, LOG);
    assert_eq!(ended.code, Some(0), "{}", ended.story());
    assert!(ended.stdout.contains("`leave-out` leaves processes out of the account"), "{}", ended.story());
}

#[test]
fn processes_that_stay_behind_are_counted() {
    judged("helpers-stay", 10, r"The target went from \d+ to \d+ processes, the newest PID \d+");
    judged("zombies", 10, r"\d+ of them are zombies: PID \d+ .* does not wait for its dead children");
}

#[test]
fn memory_in_a_memfd_does_not_pass() {
    let ended = run("memfd", PYTHON, r#""children""#, LOG);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    // What is written and not mapped is in no process.
    assert!(ended.stdout.contains(" on tmpfs or in shared memory (allowed"), "{}", ended.story());
    assert!(!ended.stdout.contains("inherited pages"), "{}", ended.story());
}

#[test]
fn each_worker_is_born_bigger() {
    judged("born-bigger", 10, r"each new worker is born \d+ KiB bigger");
}

#[test]
fn counts_that_can_not_be_right_do_not_pass() {
    judged("log-ten", 11, r"\d+ requests were counted, but \d+ were sent");
    judged(
        "log-other",
        20,
        r"set-up is WRONG: 0 of \d+ lines of the log match the pattern; the first is `worker=\d+ ok`",
    );
    judged(
        "log-strangers",
        20,
        r"set-up is WRONG: \d+ of \d+ lines of the log have PIDs that are not judged, such as 999999",
    );
}

/// Whoever does the work has to be judged, whether the requests are counted by PID or not.
#[track_caller]
fn not_judged(command: &str, workers: &str, choice: &str) {
    // A log that names others is told in the first seconds; without one, who worked shows at the end.
    for (requests, code) in [(LOG, 20), ("", 11)] {
        let ended = run("worker-keeps", command, workers, requests);
        let story = ended.story();
        assert!([Some(code), Some(10)].contains(&ended.code), "{workers}: {story}");
        let text = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        let named = text.contains("not judged") || text.contains("in processes that are not workers");
        assert!(named && text.contains(choice), "{workers}: {story}");
    }
}

#[test]
fn a_parent_judged_in_place_of_its_children_does_not_pass() {
    not_judged(PYTHON, r#""self""#, r#"workers = "children""#);
}

#[test]
fn children_judged_in_place_of_theirs_do_not_pass() {
    not_judged(r#""sh", "-c", "python3 POOL; true""#, r#""children""#, r#"workers = "descendants""#);
}

#[test]
fn a_shell_judged_in_place_of_what_it_runs_does_not_pass() {
    not_judged(r#""sh", "-c", "python3 POOL; true""#, r#""self""#, r#"workers = "descendants""#);
}

#[test]
fn a_busy_neighbour_is_a_service_of_its_own() {
    // The neighbour is a child of the same parent: only those that run the pool are judged.
    let ended = run("busy-neighbour", PYTHON, r#"{ match = "shop.py" }"#, LOG);
    assert_eq!(ended.code, Some(0), "{}", ended.story());
}
