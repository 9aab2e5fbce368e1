//! A real Apache with a faulty upload module: each of its modes is judged as it should be.
//!
//! Needs Debian's `apache2-bin` and `apache2-dev`; `scripts/test.sh` installs them.

use crate::common::{Bench, Ended, processes};
use std::path::{Path, PathBuf};

fn config(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("harness-configs").join(name)
}

fn run(mode: &str) -> Ended {
    let bench = Bench::new();
    let ended = bench.run(&config("apache-upload.toml"), &["--env", &format!("MODE={mode}"), "--quiet"]);
    assert!(processes(&bench.path().to_string_lossy()).is_empty(), "an Apache was left: {}", ended.story());
    assert!(bench.scratch().is_empty());
    // What is looked at later has to be kept beyond the bench.
    let verdict = ended.json("verdict.json");
    assert_eq!(verdict["counting"]["source"], "access-log", "{}", ended.story());
    KEPT.with_borrow_mut(|kept| kept.push(bench));
    ended
}

thread_local! {
    static KEPT: std::cell::RefCell<Vec<Bench>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Growth of a resource per request: estimate, lower and upper bound.
fn growth(ended: &Ended, resource: &str) -> [f64; 3] {
    let growth = ended.finding(resource)["growth"].clone();
    ["estimate", "lower", "upper"].map(|key| growth[key].as_f64().unwrap_or_else(|| panic!("{}", ended.story())))
}

fn expect(ended: &Ended, code: i32, leaking: Option<&str>) {
    assert_eq!(ended.code, Some(code), "{}", ended.story());
    for resource in ["memory", "descriptors", "threads", "tmpfs"] {
        let verdict = if leaking == Some(resource) { "leak" } else { "clean" };
        assert_eq!(ended.finding(resource)["verdict"], verdict, "{resource}: {}", ended.story());
    }
}

/// A leak of memory whose rate per request is known from the module's source and the workload's weights.
fn expect_leak(mode: &str, least: f64, most: f64) -> Ended {
    let ended = run(mode);
    expect(&ended, 10, Some("memory"));
    let [estimate, lower, upper] = growth(&ended, "memory");
    assert!(lower > 0.0 && lower <= estimate && estimate <= upper, "{mode}: {lower} {estimate} {upper}");
    assert!((least..most).contains(&estimate), "{mode}: {estimate} B/request, expected {least} to {most}");
    ended
}

fn expect_clean(mode: &str, classes: &[&str]) {
    let ended = run(mode);
    expect(&ended, 0, None);
    let class = ended.finding("memory")["class"].clone();
    assert!(classes.iter().any(|c| class == *c), "{mode} is a {class}: {}", ended.story());
}

#[test]
fn malloc_is_a_leak() {
    // 4112 bytes of each upload; about 80 % of the requests are uploads.
    expect_leak("malloc", 2900.0, 3700.0);
}

#[test]
fn pool_is_a_leak() {
    // Debian's APR takes 8 KiB from the kernel for each.
    expect_leak("pool", 5800.0, 7400.0);
}

#[test]
fn abort_is_a_leak() {
    // Only about 4 % of all requests are broken off.
    expect_leak("abort", 80.0, 260.0);
}

#[test]
fn big_is_a_leak_of_one_step() {
    let ended = expect_leak("big", 100.0, 400.0);
    // The module keeps 4 KiB of each upload above 1 MiB, and only this step sends such.
    let steps = ended.finding("memory")["steps"]["rows"].clone();
    let rows = steps.as_array().unwrap();
    let row = rows.iter().find(|row| row["steps"][0] == "big-upload").unwrap();
    let [lower, upper] = ["lower", "upper"].map(|key| row["growth"][key].as_f64().unwrap());
    assert!(row["grows"] == true && (lower..=upper).contains(&4112.0), "{steps:#}");
    assert_eq!(rows.iter().filter(|row| row["grows"] == true).count(), 1, "{steps:#}");
}

#[test]
fn fd_is_a_leak_of_descriptors() {
    let ended = run("fd");
    expect(&ended, 10, Some("descriptors"));
    assert!((0.7..0.9).contains(&growth(&ended, "descriptors")[0]), "{}", ended.story());
    let largest = ended.finding("descriptors")["parts"][0].clone();
    let rate = largest["growth"]["estimate"].as_f64().unwrap();
    assert!(largest["name"] == "devices and other descriptors" && (0.6..1.0).contains(&rate), "{largest}");
}

#[test]
fn shm_is_a_leak_of_tmpfs() {
    let ended = run("shm");
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert_eq!(ended.finding("tmpfs")["verdict"], "leak");
    assert_eq!(ended.finding("memory")["verdict"], "clean");
}

#[test]
fn churn_is_a_high_water_mark() {
    expect_clean("churn", &["high-water-mark"]);
}

#[test]
fn warm_is_a_warm_up() {
    expect_clean("warm", &["warm-up"]);
}

#[test]
fn cow_is_un_sharing() {
    expect_clean("cow", &["copy-on-write"]);
}

#[test]
fn none_is_clean() {
    expect_clean("none", &["flat", "warm-up", "within-budget"]);
}

#[test]
fn the_event_mpm_leaks_too_and_its_threads_are_traced() {
    let bench = Bench::new();
    let ended = bench.run(&config("apache-event.toml"), &["--quiet", "--heap"]);
    expect(&ended, 10, Some("memory"));
    let first = &ended.json("verdict.json")["call_sites"]["sites"][0];
    assert_eq!((&first["state"], &first["function"]), (&"grows".into(), &"keep_body".into()), "{first:#}");
}

#[test]
fn a_recycled_pool_leaks_though_its_sum_is_flat() {
    let bench = Bench::new();
    let ended = bench.run(&config("apache-recycle.toml"), &["--quiet"]);
    expect(&ended, 10, Some("memory"));
    let workers = ended.finding("memory")["workers"].as_array().unwrap().len();
    assert!(workers > 8, "only {workers} incarnations");
}

/// The harness file with another source of counts in place of its log, and a shorter soak.
fn counted_by(bench: &Bench, source: &str) -> PathBuf {
    let text = std::fs::read_to_string(config("apache-upload.toml")).unwrap();
    let begin = text.find("[requests.log]").unwrap();
    let end = text.find("[workload]").unwrap();
    let text = format!("{}{source}\n{}", &text[..begin], &text[end..]);
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/apache");
    let text = text
        .replace("${harness_dir}/../examples/apache", examples.to_str().unwrap())
        .replace("CHILDREN = \"4\"", "CHILDREN = \"6\"")
        .replace("requests-per-worker = 3000", "requests-per-worker = 1200");
    bench.write("harness.toml", &text)
}

#[test]
fn mod_status_counts_the_requests_of_each_child() {
    let bench = Bench::new();
    let source = "[requests]\nmod-status = \"http://127.0.0.1:${port}/server-status\"";
    let ended = bench.run(&counted_by(&bench, source), &["--quiet"]);
    assert_eq!(ended.json("verdict.json")["counting"]["source"], "mod-status");
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    // Our own look-ups, which mod_status counts too, are left out.
    assert!((2800.0..3800.0).contains(&growth(&ended, "memory")[0]), "{}", ended.story());
}

#[test]
fn without_a_count_the_drivers_requests_are_shared_out() {
    let bench = Bench::new();
    let ended = bench.run(&counted_by(&bench, ""), &["--quiet"]);
    let counting = ended.json("verdict.json")["counting"].clone();
    assert_eq!((&counting["source"], &counting["per_worker"]), (&"driver".into(), &false.into()));
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert!((2000.0..4500.0).contains(&growth(&ended, "memory")[0]), "{}", ended.story());
}

/// An ordinary user gets the same answer, without a control group and without the right to read descriptors of others.
#[test]
fn an_ordinary_user_finds_the_leak() {
    if !nix::unistd::geteuid().is_root() {
        // Then every other test of this file was it.
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65534;
    let bench = Bench::new();
    let open = |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    open(bench.path());
    // The source tree may be in a place that only root can enter.
    for folder in ["harness-configs", "examples/apache"] {
        let to = bench.path().join(folder);
        std::fs::create_dir_all(&to).unwrap();
        for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap().flatten() {
            if entry.path().is_file() {
                std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
    }
    let program = bench.path().join("seepage-program");
    std::fs::copy(env!("CARGO_BIN_EXE_seepage"), &program).unwrap();
    let mut command = std::process::Command::new(&program);
    command.arg("run").arg(bench.path().join("harness-configs/apache-upload.toml")).arg("--quiet");
    command.arg("--reports").arg(bench.reports()).current_dir(bench.path()).env("TMPDIR", bench.path());
    command.uid(NOBODY).gid(NOBODY);
    let ended = bench.ended(command.output().unwrap());
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert_eq!(ended.finding("memory")["verdict"], "leak", "{}", ended.story());
    assert_eq!(ended.json("run.json")["target"]["limited_by"], "rlimit");
}
