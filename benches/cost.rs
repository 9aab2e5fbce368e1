//! What observing costs, beside what it can't cost less than; see docs/cost.md. Prints a Markdown table.
//!
//!     cargo bench --bench cost

use nix::time::{ClockId, clock_gettime};
use seepage::model::{Event, EventKind, PhaseKind, RunMeta, RunRecord, Sample, WorkerId};
use seepage::probe::{Connections, WorkerProbe};
use seepage::{store, verdict};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 15;

/// Pairs of seconds of a target, sampled and unsampled: an effect of one per cent needs many.
const PAIRS: usize = 40;

/// Argument that makes this program the target whose speed is measured.
const MAPPER: &str = "as-a-target-that-maps-memory";

fn main() {
    if std::env::args().nth(1).as_deref() == Some(MAPPER) {
        return map_memory();
    }
    println!("| what | measured | beside | ratio, median (least, greatest) |\n|---|---|---|---|");
    [1, 100, 1000].into_iter().for_each(fast_sample);
    [1, 2, 4].into_iter().for_each(effect_on_target);
    judge();
    sampler("100 workers at 4 Hz", (100, 0), 0);
    sampler("10 workers at 4 Hz, the machine saturated", (10, 0), 2 * cores());
    sampler("one worker at 4 Hz, beside nobody", (1, 0), 0);
    for rest in [20, 200, 2000] {
        sampler(&format!("one worker at 4 Hz, and the account of {rest} processes beside it"), (1, rest), 0);
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Processes that end with this.
struct Children(Vec<Child>);

impl Drop for Children {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|child| drop(child.kill()));
        self.0.iter_mut().for_each(|child| drop(child.wait()));
    }
}

fn spawn(program: &str, arguments: &[&str], count: usize) -> Children {
    Children((0..count).map(|_| Command::new(program).args(arguments).spawn().expect("a process")).collect())
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn median(values: &[f64]) -> f64 {
    sorted(values.to_vec())[values.len() / 2]
}

/// CPU time of this thread: what others do on the machine isn't in it.
fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock of every Linux").into()
}

/// Prints a row with the ratios of values that were measured in pairs.
fn row(what: &str, unit: &str, ours: &[f64], bare: &[f64]) {
    let ratios = sorted(ours.iter().zip(bare).map(|(ours, bare)| ours / bare).collect());
    println!(
        "| {what} | {:.1} {unit} | {:.1} {unit} | {:.2} ({:.2}, {:.2}) |",
        median(ours),
        median(bare),
        median(&ratios),
        ratios[0],
        ratios[ratios.len() - 1]
    );
}

/// One fast sample of each of `count` processes, beside a bare loop over the same system calls and nothing else.
fn fast_sample(count: usize) {
    let children = spawn("sleep", &["600"], count);
    std::thread::sleep(Duration::from_millis(300));
    let probes: Vec<_> = children.0.iter().map(|child| WorkerProbe::open(child.id()).expect("a probe")).collect();
    let files: Vec<_> = children
        .0
        .iter()
        .map(|child| {
            let open = |name: &str| File::open(format!("/proc/{}/{name}", child.id())).expect("a file");
            (open("stat"), open("status"), open(""))
        })
        .collect();
    let repeats = 2000 / count;
    let each = |begun: Duration| (cpu() - begun).as_secs_f64() * 1e6 / (count * repeats) as f64;
    let mut buffer = [0; 4096];
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..3 * ROUNDS {
        let begun = cpu();
        for probe in (0..repeats).flat_map(|_| &probes) {
            assert!(probe.read(0.0, None).is_some());
        }
        ours.push(each(begun));
        let begun = cpu();
        for (stat, status, directory) in (0..repeats).flat_map(|_| &files) {
            assert!(stat.read_at(&mut buffer, 0).is_ok() && status.read_at(&mut buffer, 0).is_ok());
            let flags = nix::fcntl::AtFlags::empty();
            assert!(nix::sys::stat::fstatat(directory, "fd", flags).is_ok());
        }
        bare.push(each(begun));
    }
    row(&format!("fast sample, each of {count} processes; beside bare reads"), "µs", &ours, &bare);
}

/// Thousands of fresh pages that a target can map and touch in a second, with readings as a run takes them, fast ones at
/// 10 Hz and slow ones for at most a two-hundredth of the time, beside the same without.
fn effect_on_target(gib: usize) {
    let program = std::env::current_exe().expect("our own path");
    let mut command = Command::new(program);
    command.arg(MAPPER).arg(gib.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut children = Children(vec![command.spawn().expect("a target")]);
    let probe = WorkerProbe::open(children.0[0].id()).expect("a probe");
    let target = &mut children.0[0];
    let mut orders = target.stdin.take().expect("its input");
    let mut answers = BufReader::new(target.stdout.take().expect("its output")).lines();
    let (mut watched, mut next_slow, mut slow) = (Duration::ZERO, Duration::ZERO, Vec::new());
    let mut second = |sampled: bool| {
        orders.write_all(b"go\n").expect("an order");
        let begun = Instant::now();
        while sampled && begun.elapsed() < Duration::from_millis(950) {
            let mut connections = Connections::default();
            let due = watched + begun.elapsed() >= next_slow;
            let (_, cost) = probe.read(0.0, due.then_some(&mut connections)).expect("a reading");
            if let Some(took) = cost.slow {
                slow.push(took.as_secs_f64() * 1e3);
                next_slow = watched + begun.elapsed() + (took * 200).max(Duration::from_secs(2));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        if sampled {
            watched += begun.elapsed();
        }
        answers.next().expect("an answer").expect("a line").parse::<f64>().expect("a number")
    };
    second(false);
    // Which of the two comes first changes, so that a drift of the machine favours neither.
    let pairs: Vec<_> = (0..PAIRS)
        .map(|nth| {
            let first = second(nth % 2 == 0);
            let then = second(nth % 2 == 1);
            if nth % 2 == 0 { (first, then) } else { (then, first) }
        })
        .collect();
    let (with, without): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    row(&format!("fresh pages a second of a target of {gib} GiB; beside unsampled"), "k", &with, &without);
    let logs: Vec<f64> = with.iter().zip(&without).map(|(with, without)| (with / without).ln()).collect();
    let n = logs.len() as f64;
    let mean = logs.iter().sum::<f64>() / n;
    let error = (logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt();
    println!(
        "| the same, mean ratio and standard error | {:.4} ± {:.4} | {} slow readings of {:.0} ms | |",
        mean.exp(),
        error,
        slow.len(),
        median(&slow)
    );
}

/// The target: holds as many GiB, and on each order maps, touches and unmaps memory for a second; answers with
/// thousands of pages a second.
fn map_memory() {
    /// The allocator maps what is larger than 32 MiB, always.
    const LENGTH: usize = 33 << 20;
    let gib: usize = std::env::args().nth(2).and_then(|text| text.parse().ok()).expect("a size");
    let held = vec![1_u8; gib << 30];
    for _ in std::io::stdin().lines() {
        let (begun, mut pages) = (Instant::now(), 0);
        while begun.elapsed() < Duration::from_secs(1) {
            let mut map = std::hint::black_box(vec![0_u8; LENGTH]);
            map.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
            drop(std::hint::black_box(map));
            pages += LENGTH / 4096;
        }
        println!("{}", pages as f64 / 1e3 / begun.elapsed().as_secs_f64());
    }
    assert_eq!(held[held.len() - 1], 1);
}

/// Judging 300 samples of each of 8 workers.
fn judge() {
    let meta: RunMeta = serde_json::from_value(serde_json::json!({
        "format": "1.0", "seepage": "", "id": "", "name": "", "started": "", "status": "complete", "seed": 1,
        "host": { "kernel": "", "cpus": 2, "memory": 1, "page": 4096, "ticks": 100 },
        "target": { "command": [], "workers": "children" },
        "counting": { "source": "access-log", "per_worker": true, "worth": "" }, "classes": [],
        "budgets": { "memory": 64.0, "descriptors": 0.01, "threads": 0.01, "tmpfs": null },
        "gates": { "error_rate": null, "p50": null, "p95": null, "p99": null }, "config": {}
    }))
    .expect("a head");
    let mut record = RunRecord {
        meta,
        samples: Vec::new(),
        host: Vec::new(),
        load: Vec::new(),
        census: Vec::new(),
        maps: Vec::new(),
        metrics: Vec::new(),
        events: Vec::new(),
        heap: Default::default(),
        services: Vec::new(),
    };
    record.events.push(Event { t: 0.0, kind: EventKind::Phase { phase: PhaseKind::Soak, index: 0 } });
    for tick in 0..300_u64 {
        for pid in 1..=8 {
            let noise = (tick * 2_654_435_761 * u64::from(pid)) % 7;
            let mut sample = Sample::new(tick as f64, WorkerId::new(pid, 1));
            sample.requests = Some(tick * 40);
            sample.anon = Some((1000 + tick * 2 + noise) * 4096);
            (sample.swap, sample.fds, sample.threads) = (Some(0), Some(10), Some(1));
            record.samples.push(sample);
        }
    }
    let times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = cpu();
            assert!(!verdict::judge(&record).findings.is_empty());
            (cpu() - begun).as_secs_f64() * 1e3
        })
        .collect();
    println!("| judging 300 samples x 8 workers | {:.1} ms of CPU | | |", median(&times));
}

/// A real run on idle workers and other processes of the target, with as many `spinners` beside: what the sampler's thread cost, how
/// late it was, and how often it took account of the whole target.
fn sampler(what: &str, (workers, rest): (usize, usize), spinners: usize) {
    let _spinning = spawn("sh", &["-c", "while :; do :; done"], spinners);
    let scratch = std::env::temp_dir().join(format!("seepage-cost-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).expect("a directory");
    let file = scratch.join("harness.toml");
    let shell =
        format!("for i in $(seq {workers}); do sleep 600 & done; for i in $(seq {rest}); do sleep 700 & done; wait");
    let text = format!(
        "name = 'cost'\n[target]\ncommand = ['sh', '-c', '{shell}']\nworkers = {{ match = '^sleep 600' }}\nstop = {{ grace = '100ms' }}\n\
         ready = {{ delay = '1s' }}\n[sample]\nevery = '250ms'\n[workload]\ncommand = ['sleep', '60']\n\
         [[phase]]\nkind = 'soak'\nduration = '15s'\n"
    );
    std::fs::write(&file, text).expect("a harness file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_seepage"));
    command.args(["run", "--quiet", "--reports"]).arg(scratch.join("reports")).arg(&file);
    let output = command.stdout(Stdio::null()).stderr(Stdio::inherit()).status();
    assert!(output.is_ok());
    let late = |directory: &Path| lateness(directory).unwrap_or(f64::NAN);
    let run = std::fs::read_dir(scratch.join("reports")).ok().and_then(|mut runs| runs.next()?.ok());
    if let Some(run) = run.map(|run| run.path())
        && let Ok(record) = store::read(&run)
        && let Some(observing) = record.meta.observing
    {
        println!(
            "| {what} | {:.2} % of a core, 99th percentile of lateness {:.1} ms, {} of {:.0} ticks missed, {} censuses | | |",
            observing.cpu_share * 100.0,
            late(&run) * 1e3,
            observing.missed_ticks,
            record.meta.elapsed.unwrap_or_default() / observing.interval,
            record.census.len(),
        );
    }
    let _ = std::fs::remove_dir_all(&scratch);
}

/// 99th percentile of the seconds by which a reading of a worker that lived to the end was later than its place in the usual rhythm.
fn lateness(run: &Path) -> Option<f64> {
    let record = store::read(run).ok()?;
    let one = record.samples.last()?.worker;
    let times: Vec<f64> = record.samples.iter().filter(|sample| sample.worker == one).map(|s| s.t).collect();
    let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let usual = *sorted(gaps.clone()).get(gaps.len() / 2)?;
    let late = sorted(gaps.iter().map(|gap| (gap - usual).max(0.0)).collect());
    late.get(late.len() * 99 / 100).copied()
}
