//! Who touches fresh pages first in a process that runs: named by `attach --sites` where that explains the growth, and nobody else.

use crate::common::{Bench, Ended, apache_modules, signal, wait_until};
use crate::programs::Running;
use nix::sys::signal::Signal;
use object::{Object, ObjectSection};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a program does every hundredth of a second, by its first argument.
const PROGRAM: &str = r#"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static unsigned draw(unsigned below) {
    static unsigned long seed = 1;
    seed = seed * 6364136223846793005ul + 1442695040888963407ul;
    return (seed >> 33) % below;
}

#define fill(memory, size) memset(memory, draw(256), size)

static void *volatile kept;

__attribute__((noinline)) static void keep_block(size_t size) {
    char *block = malloc(size); /* kept */
    fill(block, size);
    *(void **)block = kept;
    kept = block;
}

static char *map(size_t size) {
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

__attribute__((noinline)) static void keep_mapping(size_t size) {
    fill(map(size), size);
}

__attribute__((noinline)) static void borrow_mapping(size_t size) {
    char *borrowed = map(size);
    fill(borrowed, size);
    munmap(borrowed, size);
}

__attribute__((noinline)) static void churn(int count) {
    static char *live[1000];
    while (count--) {
        unsigned at = draw(1000), size = 16 + draw(1500);
        free(live[at]);
        live[at] = malloc(size);
        fill(live[at], size);
    }
}

__attribute__((noinline)) static void borrow_blocks(void) {
    char *blocks[16];
    for (int n = 0; n < 16; n++) {
        blocks[n] = malloc(700);
        fill(blocks[n], 700);
    }
    for (int n = 0; n < 16; n++) free(blocks[n]);
}

int main(int argc, char **argv) {
    struct timespec pause = {0, 10000000};
    for (;; nanosleep(&pause, NULL)) {
        switch (argv[1][0]) {
        case 'b': churn(20); keep_block(4000); break;
        case 'm': borrow_mapping(65536); keep_mapping(8192); break;
        /* A thousandth of what comes and goes. */
        case 'd': churn(5000); for (int n = 0; n < 20; n++) keep_block(200); break;
        /* What it borrows reaches beyond what is kept next in its room, within milliseconds. */
        case 'r': borrow_blocks(); keep_block(4000); break;
        case 'c': churn(500); borrow_mapping(65536); break;
        }
    }
}
"#;

/// A program that is watched; it ends before its directory goes.
pub struct Watched {
    pub child: Running,
    pub bench: Bench,
}

impl Watched {
    /// The program, built without frame pointers.
    fn start(does: &str) -> Self {
        let bench = Bench::new();
        let (source, program) = (bench.write("program.c", PROGRAM), bench.path().join("program"));
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-g", "-fomit-frame-pointer", "-fno-optimize-sibling-calls", "-o"]);
        assert!(compiler.arg(&program).arg(source).status().unwrap().success());
        let child = Command::new(program).arg(does).stdin(Stdio::null()).spawn().unwrap();
        Watched { child: Running(child), bench }
    }

    fn attach(&self, mut seepage: Command) -> Command {
        let pid = self.child.id().to_string();
        seepage.args(["attach", "--sites", "--pid", &pid, "--workers", "self", "--warm-up", "0s", "--reports"]);
        seepage.arg(self.bench.reports());
        seepage
    }

    /// What a watch of some seconds says, and its call sites.
    pub fn watched(&self) -> (Ended, Value) {
        let mut command = self.attach(self.bench.seepage());
        // Not optimised, a sample costs several times as much.
        let ended = self.bench.ended(command.args(["--for", "12s", "--overhead", "20%"]).output().unwrap());
        let sites = ended.json("verdict.json")["call_sites"].clone();
        assert_eq!(sites["source"], "pages", "{}", ended.story());
        (ended, sites)
    }
}

fn states(sites: &Value) -> Vec<&str> {
    sites["sites"].as_array().unwrap().iter().map(|site| site["state"].as_str().unwrap()).collect()
}

/// The line of the program that holds this text.
fn line_of(text: &str) -> usize {
    PROGRAM.lines().position(|line| line.contains(text)).unwrap() + 1
}

/// Expects that `function` is named at this line, and nobody else.
fn expect_site(does: &str, function: &str, text: &str) {
    let running = Watched::start(does);
    let (ended, sites) = running.watched();
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    let first = &sites["sites"][0];
    assert_eq!(
        (&first["state"], &first["function"]),
        (&"grows".into(), &function.into()),
        "{}{sites:#}",
        ended.story()
    );
    assert!(first["file"].as_str().unwrap().ends_with("program.c"), "{first:#}");
    assert_eq!(states(&sites).iter().filter(|state| **state == "grows").count(), 1, "{sites:#}");
    let named = format!("Most of it is in pages that program: {function} (program.c:");
    assert!(ended.stdout.contains(&named), "{}", ended.story());
    let lines = first["stacks"].as_array().unwrap().iter().flat_map(|stack| stack["frames"].as_array().unwrap());
    let lines: Vec<&Value> = lines.map(|frame| &frame["line"]).collect();
    assert!(lines.contains(&&line_of(text).into()), "{lines:?}");
    let run = ended.run.as_ref().unwrap();
    assert!(std::fs::read(run.join("heap.pb.gz")).unwrap().starts_with(&[0x1f, 0x8b]));
    assert!(std::fs::read_to_string(run.join("heap.collapsed")).unwrap().contains(function));
    assert!(std::fs::read_to_string(run.join("report.html")).unwrap().contains("Who touched the fresh pages first"));
    // All of it can be computed again from the run directory alone.
    let again = running.bench.seepage().arg("analyze").arg(run).args(["--format", "json"]).output().unwrap();
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(again["call_sites"], sites);
}

#[test]
fn blocks_that_are_kept_are_named_with_their_line() {
    expect_site("blocks", "keep_block", "keep_block(4000); break;");
}

#[test]
fn mappings_that_are_kept_are_told_from_those_that_are_given_back() {
    expect_site("mappings", "keep_mapping", "keep_mapping(8192); break;");
}

#[test]
fn what_is_kept_in_room_that_others_gave_back_blames_nobody() {
    for does in ["displaced", "room that is kept at once"] {
        let (ended, sites) = Watched::start(does).watched();
        assert_eq!(ended.code, Some(10), "{}", ended.story());
        assert!(states(&sites).iter().all(|state| *state == "unproven"), "{}{sites:#}", ended.story());
        assert!(!ended.stdout.contains("Most of it"), "{}", ended.story());
        assert!(ended.stdout.contains("to blame a call site"), "{}", ended.story());
    }
}

#[test]
fn where_nothing_grows_nobody_is_blamed() {
    let (ended, sites) = Watched::start("clean").watched();
    assert_ne!(ended.code, Some(10), "{}", ended.story());
    assert!(states(&sites).iter().all(|state| *state == "unproven"), "{}{sites:#}", ended.story());
    assert!(ended.stdout.contains("no call site is named"), "{}", ended.story());
}

#[test]
fn without_permission_the_watch_goes_on_and_says_so() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let running = Watched::start("blocks");
    let mut command = running.attach(running.bench.seepage_of_a_user());
    let ended = running.bench.ended(command.args(["--for", "3s"]).output().unwrap());
    assert!(ended.stdout.contains("Page faults of PID"), "{}", ended.story());
    assert_eq!(ended.json("verdict.json")["call_sites"], Value::Null, "{}", ended.story());
}

#[test]
fn nothing_is_left_of_a_watch_that_was_killed() {
    let mut running = Watched::start("blocks");
    let mut watch =
        running.attach(running.bench.seepage()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let children = format!("/proc/{0}/task", watch.id());
    let namers = || -> Vec<String> {
        let threads = std::fs::read_dir(&children).into_iter().flatten().flatten();
        let listed = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
        listed.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
    };
    wait_until("names are looked up", || !namers().is_empty());
    let namers = namers();
    let events = |pid: &str| {
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let leads_to_one = |descriptor: &std::fs::DirEntry| {
            std::fs::read_link(descriptor.path()).is_ok_and(|to| to.to_string_lossy().contains("perf_event"))
        };
        descriptors.filter(leads_to_one).count()
    };
    // An event ends with the last descriptor of it.
    assert!(events(&watch.id().to_string()) > 0, "the watch has events");
    assert_eq!(namers.iter().map(|pid| events(pid)).sum::<usize>(), 0, "nobody else has them");
    signal(watch.id(), Signal::SIGKILL);
    watch.wait().unwrap();
    let lives = |pid: &String| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty());
    wait_until("its helpers are gone", || !namers.iter().any(lives));
    assert!(running.child.try_wait().unwrap().is_none(), "the target lives on");
}

/// A server that a shell starts in the folder of the bench, on the port that it is given as `$PORT`.
fn served(bench: Bench, port: u16, script: &str) -> Watched {
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).current_dir(bench.path()).env("PORT", port.to_string());
    let child = shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let answers = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
    wait_until("the server answers", answers);
    Watched { child: Running(child), bench }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Sets key after key to a kilobyte, 1,000 a second, until the server ends.
fn set_keys(port: u16) -> std::thread::JoinHandle<()> {
    let mut server = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let value = "x".repeat(1000);
    std::thread::spawn(move || {
        let mut answers = [0; 50];
        for n in 0.. {
            let set = |key: u32| format!("*3\r\n$3\r\nSET\r\n$8\r\n{key:08}\r\n$1000\r\n{value}\r\n");
            let sets: String = (0..10).map(|key| set(n * 10 + key)).collect();
            if server.write_all(sets.as_bytes()).and_then(|()| server.read_exact(&mut answers)).is_err() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    })
}

#[test]
fn of_redis_with_growing_keys_the_keeper_of_strings_is_named() {
    if !std::path::Path::new("/usr/bin/redis-server").exists() {
        eprintln!("NOT TESTED: redis-server is missing");
        return;
    }
    let port = free_port();
    let running =
        served(Bench::new(), port, "exec redis-server --port $PORT --bind 127.0.0.1 --save '' --appendonly no");
    let client = set_keys(port);
    let (ended, sites) = running.watched();
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    // On a busy machine too few faults may be seen to prove any; a key has an object beside its string, which grows less.
    let all = sites["sites"].as_array().unwrap();
    let of_strings = |site: &serde_json::Value| site["function"].as_str().is_some_and(|name| name.contains("sds"));
    assert!(all.iter().any(of_strings), "{}{sites:#}", ended.story());
    let first = all.iter().find(|site| site["state"] == "grows");
    assert!(first.is_none_or(of_strings), "{}{sites:#}", ended.story());
    drop(running);
    client.join().unwrap();
}

/// Uploads a kilobyte a hundred times a second, until the server ends.
fn upload(port: u16) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let Ok(mut server) = std::net::TcpStream::connect(("127.0.0.1", port)) else { return };
        let mut answers = BufReader::new(server.try_clone().unwrap());
        let request = format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n{}", "x".repeat(1000));
        let mut line = String::new();
        while server.write_all(request.as_bytes()).is_ok() {
            let mut length = 0;
            loop {
                line.clear();
                if answers.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = text.trim().parse().unwrap();
                }
                if line == "\r\n" {
                    break;
                }
            }
            let _ = answers.read_exact(&mut vec![0; length]);
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    })
}

/// Apache keeps 4 KiB of each upload, among all that it does for a request in its pools.
#[test]
fn of_apache_the_module_that_keeps_bodies_is_named() {
    let (bench, port) = (Bench::new(), free_port());
    std::os::unix::fs::symlink(apache_modules(), bench.path().join(".libs")).unwrap();
    let configured = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/apache/httpd.conf");
    let script = format!(
        "WORK_DIR=\"$PWD\" MODE=malloc CHILDREN=1 CONNECTIONS_PER_CHILD=0 exec setsid /usr/sbin/apache2 -X -f {configured}"
    );
    let running = served(bench, port, &script);
    let client = upload(port);
    let (ended, sites) = running.watched();
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    let first = &sites["sites"][0];
    assert_eq!(
        (&first["state"], &first["function"]),
        (&"grows".into(), &"keep_body".into()),
        "{}{sites:#}",
        ended.story()
    );
    assert!(ended.stdout.contains("mod_upload.so: keep_body (mod_upload.c:"), "{}", ended.story());
    drop(running);
    client.join().unwrap();
}

/// A file of code that keeps what it is given, and refers to nothing outside of it.
const KEEPER: &str = "
__attribute__((noinline)) static void fill(volatile char *page) { page[0] = 1; page[300] = 2; }
void keep(volatile char *page) { fill(page); page[600] = 3; }
";

/// Maps the files that are its arguments after the first, as a loader does that looks at nothing, and has the code at that place in each
/// of them touch pages that it keeps.
const MAPPER: &str = r#"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv) {
    struct timespec pause = {0, 2000000};
    char **code = calloc(argc, sizeof *code);
    for (int n = 2; n < argc; n++) {
        int file = open(argv[n], O_RDONLY);
        code[n] = mmap(NULL, 65536, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
        close(file);
    }
    for (int n = 2;; n = n + 1 < argc ? n + 1 : 2, nanosleep(&pause, NULL)) {
        char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ((void (*)(volatile char *))(code[n] + strtoul(argv[1], NULL, 0)))(page);
    }
}
"#;

/// The two, compiled.
fn keeper_and_mapper(bench: &Bench) -> (PathBuf, PathBuf) {
    let compile = |source: &str, text: &str, made: &str, more: &[&str]| {
        let (source, made) = (bench.write(source, text), bench.path().join(made));
        assert!(Command::new("cc").args(more).arg("-o").arg(&made).arg(source).status().unwrap().success());
        made
    };
    (
        compile("keeper.c", KEEPER, "keeper.so", &["-O1", "-g", "-fno-stack-protector", "-shared", "-fPIC"]),
        compile("mapper.c", MAPPER, "mapper", &["-O2"]),
    )
}

/// The file with some of its bytes in this range changed, at most two to the power of `most`; those in `kept` stay.
fn corrupted(whole: &[u8], range: Range<usize>, most: u32, kept: &Range<usize>, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..1 << rng.random_range(0..most) {
        let at = rng.random_range(range.clone());
        if !kept.contains(&at) {
            bytes[at] = rng.random();
        }
    }
    bytes
}

/// Modules whose every byte but the code may be anything: the verdict stands, and nothing panics. `SEEPAGE_MODULES=20000` tries so many.
#[test]
fn corrupt_modules_cost_no_verdict() {
    let modules = std::env::var("SEEPAGE_MODULES").map_or(300, |text| text.parse().unwrap());
    let bench = Bench::new();
    let (library, mapper) = keeper_and_mapper(&bench);
    let whole = std::fs::read(&library).unwrap();
    let listed = Command::new("nm").arg(&library).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let place = |name: &str| {
        let line = listed.lines().find(|line| line.ends_with(&format!(" {name}"))).unwrap();
        usize::from_str_radix(line.split(' ').next().unwrap(), 16).unwrap()
    };
    // What runs stays as it is.
    let code = place("fill").min(place("keep"))..place("fill").max(place("keep")) + 64;
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for round in 0..modules / 300 {
        let mut files = Vec::new();
        for n in 0..300 {
            files.push(bench.path().join(format!("broken-{n}.so")));
            std::fs::write(&files[n], corrupted(&whole, 0..whole.len(), 10, &code, &mut rng)).unwrap();
        }
        let child =
            Command::new(&mapper).arg(place("keep").to_string()).args(files).stdin(Stdio::null()).spawn().unwrap();
        let mut running = Watched { child: Running(child), bench: Bench::new() };
        let broken = |sites: &Value| {
            let named = sites["sites"].as_array().unwrap().iter();
            named.filter(|site| site["module"].as_str().unwrap().contains("broken-")).count()
        };
        let proven = |(ended, sites): &(Ended, Value)| ended.code == Some(10) && broken(sites) > 10;
        // What a host that is busy otherwise leaves open says nothing of modules.
        let noisy = |(ended, _): &(Ended, Value)| ended.story().contains("The host was noisy");
        let mut watched = running.watched();
        for _ in 0..5 {
            if proven(&watched) || !noisy(&watched) {
                break;
            }
            watched = running.watched();
        }
        let story = watched.0.story();
        assert!(running.child.try_wait().unwrap().is_none(), "the target lives on");
        assert!(proven(&watched) && !story.contains("panicked"), "round {round}: {story} {:#}", watched.1);
    }
}

/// Whoever reads names lives on whatever debug information says: only so many are started in a run. `SEEPAGE_MODULES=20000` tries so many.
#[test]
fn corrupt_debug_information_ends_no_reader_of_names() {
    let modules = std::env::var("SEEPAGE_MODULES").map_or(600, |text| text.parse().unwrap());
    let bench = Bench::new();
    let (library, mapper) = keeper_and_mapper(&bench);
    let whole = std::fs::read(&library).unwrap();
    let parsed = object::File::parse(&whole[..]).unwrap();
    let keep = parsed.symbols().find(|symbol| object::ObjectSymbol::name(symbol) == Ok("keep")).unwrap();
    let keep = object::ObjectSymbol::address(&keep);
    let (lines, length) = parsed.section_by_name(".debug_line").unwrap().file_range().unwrap();
    let lines = lines as usize..(lines + length) as usize;
    let code = keep as usize - 256..keep as usize + 256;
    let mut namer = bench.seepage();
    let mut namer = namer.arg("namer-of-a-seepage-run").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut questions, mut answers) = (namer.stdin.take().unwrap(), BufReader::new(namer.stdout.take().unwrap()));
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut lines_read = 0;
    for _ in 0..modules / 300 {
        let mut files = Vec::new();
        for n in 0..300 {
            // Every other one in its table of lines alone, of which the reader has panicked.
            let (range, most) = if n % 2 == 0 { (lines.clone(), 5) } else { (0..whole.len(), 10) };
            files.push(bench.path().join(format!("broken-{n}.so")));
            std::fs::write(&files[n], corrupted(&whole, range, most, &code, &mut rng)).unwrap();
        }
        let child = Command::new(&mapper).arg(keep.to_string()).args(&files).stdin(Stdio::null()).spawn().unwrap();
        let running = Watched { child: Running(child), bench: Bench::new() };
        let pid = running.child.id();
        let maps = || std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        wait_until("all are mapped", || maps().matches("/broken-").count() == files.len());
        for line in maps().lines().filter(|line| line.contains("/broken-")) {
            let address = u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap() + keep;
            let place = json!({ "module": line.split_whitespace().last(), "offset": keep });
            for debug in [true, false] {
                let question = json!({ "pid": pid, "code": [[address, place]], "debug": debug });
                writeln!(questions, "{question}").expect("a namer that lives");
                let mut answer = String::new();
                answers.read_line(&mut answer).unwrap();
                let answer: Value = serde_json::from_str(&answer).expect("an answer");
                lines_read += usize::from(answer[0][0]["line"].is_u64());
            }
        }
    }
    drop(questions);
    assert!(namer.wait().unwrap().success());
    assert!(lines_read > modules / 10, "{lines_read} of {modules}");
}
