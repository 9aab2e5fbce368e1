//! What tools really printed of a process that leaks 1 MiB/s and one that doesn't, over 40 s: `tests/tables/record.sh` made the files.

use super::*;
use crate::answer::Verdict;
use crate::model::{Budgets, MemoryKind, Per};

/// What the leaking process keeps, in bytes per second: ten times 104 858 bytes, less what the loop itself takes.
const RATE: f64 = 1_048_576.0;

macro_rules! recorded {
    ($name:literal) => {
        ($name, &include_bytes!(concat!("../../../../tests/tables/", $name))[..])
    };
}

fn judged(table: &Table) -> Verdict {
    let mut record = table.record.clone();
    record.meta.budgets = Budgets { memory: Some(RATE), per: Per::Hour, ..Budgets::default() };
    verdict::judge(&record)
}

fn with(bytes: &[u8], name: &str, mapping: &Mapping) -> Table {
    read(bytes, name, mapping).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn kind(table: &Table) -> MemoryKind {
    table.record.meta.understood.as_ref().unwrap().kind
}

#[test]
fn what_tools_print_of_a_leak_is_a_leak_at_its_rate() {
    use MemoryKind::{Anonymous, Private, Resident};
    let mut wrong = Vec::new();
    for ((name, bytes), of, workers) in [
        (recorded!("pidstat-r.txt"), Resident, 2),
        (recorded!("pidstat-h.txt"), Resident, 2),
        (recorded!("pidstat-H.txt"), Resident, 2),
        (recorded!("pidstat-ru.txt"), Resident, 2),
        (recorded!("pidstat-human.txt"), Resident, 2),
        (recorded!("status.txt"), Anonymous, 2),
        (recorded!("status-line.txt"), Resident, 1),
        (recorded!("rollup.txt"), Anonymous, 1),
        (recorded!("psrecord.txt"), Resident, 1),
        (recorded!("psrecord.csv"), Resident, 1),
        (recorded!("mprof.dat"), Resident, 1),
        (recorded!("mprof-M.dat"), Resident, 3),
        (recorded!("procpath.csv"), Resident, 2),
        (recorded!("smem.txt"), Private, 6),
    ] {
        let table = with(bytes, name, &Mapping::default());
        assert_eq!(kind(&table), of, "{name}");
        assert_eq!(table.record.workers().len(), workers, "{name}");
        let verdict = judged(&table);
        let growth = verdict.findings[0].growth.unwrap();
        let rate = 3600.0 * RATE;
        let near = (growth.estimate / rate - 1.0).abs() < 0.05 || growth.lower < rate && rate < growth.upper;
        if verdict.outcome != Outcome::Leak || !near {
            wrong.push(format!("{name}: {:?} {growth:?} {:?}", verdict.outcome, table.notes));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_process_beside_it_that_keeps_nothing_does_not_leak() {
    for ((name, bytes), column) in [
        (recorded!("pidstat-r.txt"), "PID"),
        (recorded!("pidstat-H.txt"), "PID"),
        (recorded!("pidstat-ru.txt"), "PID"),
        (recorded!("status.txt"), "Pid"),
        (recorded!("procpath.csv"), "pid"),
    ] {
        let pid =
            with(bytes, name, &Mapping::default()).record.workers().iter().map(|worker| worker.pid).max().unwrap();
        let alone = Mapping { filters: vec![(column.into(), pid.to_string())], ..Mapping::default() };
        let table = with(bytes, name, &alone);
        let levels: std::collections::BTreeSet<_> = table.record.samples.iter().map(|s| s.anon).collect();
        assert!(table.record.samples.len() >= 38 && levels.len() <= 3, "{name}: {levels:?}");
        assert_ne!(judged(&table).outcome, Outcome::Leak, "{name}");
    }
}

#[test]
fn sums_of_mappings_are_what_the_rollup_says() {
    let of = |(name, bytes): (&str, &[u8])| {
        let table = with(bytes, name, &Mapping::default());
        table.record.samples.iter().map(|sample| sample.anon_and_swap().unwrap()).collect::<Vec<_>>()
    };
    let (sums, rollup) = (of(recorded!("smaps.txt")), of(recorded!("rollup.txt")));
    assert_eq!(sums.len(), 3);
    // Each was read at another moment of the same second.
    let near = |(a, b): (&u64, &u64)| a.abs_diff(*b) < 2 << 20;
    assert!(sums.iter().zip(&rollup).all(near), "{sums:?} {rollup:?}");
}

#[test]
fn whole_files_of_proc_name_their_processes() {
    let (name, bytes) = recorded!("status-all.txt");
    let table = with(bytes, name, &Mapping::default());
    assert_eq!((table.record.workers().len(), table.record.samples.len()), (2, 6));
    assert!(table.record.samples.iter().all(|sample| sample.threads == Some(1) && sample.swap == Some(0)));
}

#[test]
fn a_machine_s_memory_is_told_to_be_one() {
    let (name, sar) = recorded!("sar-r.txt");
    let (_, vmstat) = recorded!("vmstat-t.txt");
    // The recorded vmstat has the mistake of its version, which would pass any leak: the memory of the first row in each.
    let refused = read(vmstat, "x", &Mapping::default()).unwrap_err().to_string();
    assert!(refused.starts_with("its memory is the same in all of its 40 rows"), "{refused}");
    let mended: Vec<String> = String::from_utf8_lossy(vmstat)
        .lines()
        .zip(0u64..)
        .map(|(line, i)| match line.split_whitespace().nth(3).and_then(|free| free.parse::<u64>().ok()) {
            Some(free) => line.replacen(&free.to_string(), &(free - 1024 * i).to_string(), 1),
            None => line.to_owned(),
        })
        .collect();
    let vmstat = mended.join("\n") + "\n";
    let judge = |name: &str, bytes: &[u8]| {
        let table = with(bytes, name, &Mapping::default());
        assert_eq!((kind(&table), table.record.samples.len()), (MemoryKind::Host, 40), "{name}");
        assert!(table.notes.iter().any(|note| note.starts_with("host memory is judged")), "{:?}", table.notes);
        judged(&table)
    };
    judge(name, sar);
    let verdict = judge("vmstat", vmstat.as_bytes());
    let growth = verdict.findings[0].growth.unwrap();
    assert_eq!(verdict.outcome, Outcome::Leak);
    assert!((growth.estimate / (3600.0 * RATE) - 1.0).abs() < 0.05, "what is free falls by 1 MiB/s: {growth:?}");
}

#[test]
fn of_a_server_s_whole_store_what_is_known_is_read() {
    let (name, bytes) = recorded!("promtool.txt");
    let table = with(bytes, name, &Mapping::default());
    assert_eq!((kind(&table), table.record.workers().len()), (MemoryKind::Resident, 1));
    assert_eq!(table.record.samples.len(), 43);
    assert!(table.record.samples.iter().all(|sample| sample.fds.is_some()));
    let step = table.record.samples[42].t / 42.0;
    assert!((step - 1.0).abs() < 0.01, "Prometheus asked itself each second, and writes ms: {step}");
}

#[test]
fn a_file_of_collectd_is_named_by_its_file() {
    let (_, bytes) = recorded!("collectd-ps_rss.csv");
    let table = with(bytes, "ps_rss-2026-12-01", &Mapping::default());
    let growth = judged(&table).findings[0].growth.unwrap();
    assert_eq!((kind(&table), judged(&table).outcome), (MemoryKind::Resident, Outcome::Leak));
    assert!((growth.estimate / (3600.0 * RATE) - 1.0).abs() < 0.05, "{growth:?}");
    let refused = read(bytes, "x.csv", &Mapping::default()).unwrap_err().to_string();
    assert!(refused.contains("--memory"), "{refused}");
}

#[test]
fn locust_s_history_has_no_memory() {
    let (name, bytes) = recorded!("locust_stats_history.csv");
    let refused = read(bytes, name, &Mapping::default()).unwrap_err().to_string();
    assert!(refused.starts_with("line 1: it is locust's record of requests, without the memory"), "{refused}");
}

#[test]
fn a_recording_that_is_cut_off_anywhere_is_read_up_to_there_or_refused() {
    for (name, bytes) in [
        recorded!("pidstat-r.txt"),
        recorded!("status.txt"),
        recorded!("rollup.txt"),
        recorded!("mprof-M.dat"),
        recorded!("psrecord.txt"),
        recorded!("smem.txt"),
    ] {
        let whole = with(bytes, name, &Mapping::default());
        let all: Vec<_> = whole.record.samples.iter().map(|s| (s.worker.pid, s.anon_and_swap())).collect();
        for cut in (bytes.len() * 3 / 4..bytes.len()).step_by(31) {
            let Ok(table) = read(&bytes[..cut], name, &Mapping::default()) else { panic!("{name}: cut at {cut}") };
            let samples = table.record.samples.iter().map(|s| (s.worker.pid, s.anon_and_swap()));
            let wrong: Vec<_> = samples.filter(|sample| !all.contains(sample)).collect();
            assert!(wrong.is_empty(), "{name}: cut at {cut}: {wrong:?}");
        }
    }
}
