//! Whose requests are counted: a count of the whole pool in every worker's rows is never taken for each worker's own.

use super::*;

/// Rows of workers that each leak 102 B for every request of their own, with the count that `count` has for a worker at a moment.
fn table(workers: u64, rows: u64, count: impl Fn(u64, u64) -> u64) -> String {
    let mut text = "time_s,pid,requests,anon_kib\n".to_owned();
    for i in 0..rows {
        for pid in 0..workers {
            let kib = 50_000 + 100 * i + (i + pid) * 7919 % 41;
            text.push_str(&format!("{},{},{},{kib}\n", 60 * i, 500 + pid, count(pid, i)));
        }
    }
    text
}

fn with(text: &str, of: Option<RequestsOf>, are: Option<RequestsAre>) -> Result<Table, String> {
    let mapping = Mapping { requests_of: of, requests_are: are, ..Mapping::default() };
    read(text.as_bytes(), "x.csv", &mapping).map_err(|error| error.to_string())
}

fn judged(table: &Table) -> crate::answer::Verdict {
    let mut record = table.record.clone();
    record.meta.budgets = usual_budgets(&record);
    verdict::judge(&record)
}

fn chance(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The pool's count, 8000 a minute, so many minutes late.
fn late(i: u64, minutes: f64) -> u64 {
    let minute = i as f64 + 20.0 - minutes;
    (8000.0 * minute + 9.0 * minute.sin()).round() as u64
}

type Counted = (&'static str, fn(u64, u64) -> u64);

#[test]
fn a_count_of_the_pool_that_is_read_at_other_moments_is_asked_about() {
    let pools: [Counted; 8] = [
        ("in bursts", |pid, i| 96_000 * (i / 12 + 2) + 3 * pid),
        ("a little later for each", |pid, i| late(i, -0.01 * pid as f64)),
        ("later each time", |pid, i| late(i, -0.002 * (pid * i) as f64 / 8.0)),
        ("from a cache of three minutes", |pid, i| late(i - (i + pid) % 3 % (i + 1), 0.0)),
        ("from a cache of five minutes", |pid, i| late(i - (i + pid) % 5 % (i + 1), 0.0)),
        ("with jitter", |pid, i| late(i, (chance(pid << 32 | i) % 100) as f64 / 100.0)),
        ("half of them fresh", |pid, i| late(i, if pid % 2 == 0 { 0.0 } else { 0.7 })),
        ("two services", |pid, i| late(i, 0.01 * pid as f64) * (1 + pid / 4)),
    ];
    for (what, count) in pools {
        for rows in [24, 60, 240] {
            for workers in [2, 3, 4, 8] {
                if what == "two services" && workers < 8 {
                    continue;
                }
                let text = table(workers, rows, count);
                let asked = with(&text, None, None).err().unwrap_or_else(|| {
                    panic!("{what}: {workers} workers with {rows} rows are each taken by itself");
                });
                assert!(asked.contains("--requests-of worker") && asked.contains("--requests-of pool"), "{asked}");
            }
        }
        if what == "two services" || what == "in bursts" {
            continue;
        }
        let table = with(&table(8, 60, count), Some(RequestsOf::Pool), None).unwrap();
        assert!(!table.record.meta.counting.per_worker);
        let growth = judged(&table).findings[0].growth.unwrap().estimate;
        assert!((growth / 102.4 - 1.0).abs() < 0.08, "{what}: {growth}");
    }
}

/// The pool's count, which rises by more and by less.
fn uneven(i: u64) -> u64 {
    8000 * i + chance(i) % 4000
}

#[test]
fn a_count_of_the_pool_from_a_cache_of_any_age_is_asked_about() {
    for age in [6, 12, 20, 30] {
        for (workers, rows) in [2, 3, 4, 8].into_iter().flat_map(|workers| [(workers, 6 * age), (workers, 20 * age)]) {
            for apart in [1, age / 3, age / 2 + 1] {
                let text = table(workers, rows, |pid, i| uneven((i + age) - (i + apart * pid) % age));
                let asked = with(&text, None, None).err().unwrap_or_else(|| {
                    panic!("{workers} workers with {rows} rows, {apart} minutes apart, of {age}: each taken by itself");
                });
                assert!(asked.contains("--requests-of worker"), "{asked}");
            }
        }
    }
}

#[test]
fn what_counts_rise_by_tells_whose_they_are_wherever_each_begins() {
    let apart: [Counted; 2] = [
        ("from another beginning each", |pid, i| uneven(i) + 100_000 * pid),
        ("since each was born", |pid, i| uneven(i + 15 * pid) - uneven(15 * pid)),
    ];
    for (what, count) in apart {
        for workers in [2, 3, 8] {
            // Those of a moment stand in rows of the same time, whenever each was born.
            let mut text = "time_s,pid,requests,anon_kib\n".to_owned();
            for i in 0..180u64 {
                for pid in (0..workers).filter(|pid| what.starts_with("from") || i >= 15 * pid) {
                    let age = if what.starts_with("from") { i } else { i - 15 * pid };
                    let kib = 50_000 + 100 * age + (i + pid) * 7919 % 41;
                    text.push_str(&format!("{},{},{},{kib}\n", 60 * i, 500 + pid, count(pid, age)));
                }
            }
            let table = with(&text, None, None).unwrap_or_else(|error| panic!("{what}, {workers}: {error}"));
            assert!(!table.record.meta.counting.per_worker, "{what}, {workers}");
            // Fewer workers serve so many requests each that what they leak of them is within the budget.
            assert!(workers < 8 || judged(&table).exit != crate::answer::ExitCode::Clean, "{what}, {workers}");
        }
    }
    // Where they always rise by as much, each may as well be served as often as the other.
    let asked = with(&table(4, 60, |pid, i| 8000 * i + 100_000 * pid), None, None).unwrap_err();
    assert!(asked.contains("--requests-of"), "{asked}");
}

#[test]
fn a_count_that_goes_on_from_one_worker_to_the_next_is_asked_about() {
    let one_by_one = |count: fn(u64, u64) -> u64| {
        let mut text = "time_s,pid,requests,anon_kib\n".to_owned();
        for i in 0..240u64 {
            text.push_str(&format!(
                "{},{},{},{}\n",
                60 * i,
                500 + i / 30,
                count(i, i % 30),
                50_000 + i % 30 * 100 + chance(i) % 41
            ));
        }
        with(&text, None, None)
    };
    let asked = one_by_one(|i, _| uneven(i)).unwrap_err();
    assert!(asked.contains("goes on") && asked.contains("--requests-of pool"), "{asked}");
    assert!(one_by_one(|i, age| 1000 * age + chance(i) % 1000).unwrap().record.meta.counting.per_worker);
}

#[test]
fn what_grows_where_nothing_is_counted_is_no_pass() {
    let counts = |from: u64, to: u64, shared: bool| {
        let mut text = "time_s,pid,requests,anon_kib\n".to_owned();
        for i in 0..240u64 {
            for pid in 0..3u64 {
                let count = if shared { uneven(i) } else { (600 + 300 * pid) * i + chance(i << 8 | pid) % 300 };
                let count = if (from..to).contains(&i) { count.to_string() } else { String::new() };
                let grown = 400 * i.saturating_sub(to);
                text.push_str(&format!("{},{pid},{count},{}\n", 60 * i, 50_000 + grown + chance(i) % 41));
            }
        }
        with(&text, None, None).unwrap()
    };
    for shared in [false, true] {
        for to in [60, 120, 200, 230] {
            let table = counts(0, to, shared);
            let verdict = judged(&table);
            assert_ne!(verdict.exit, crate::answer::ExitCode::Clean, "{shared} {to}: {:?}", verdict.claims);
        }
        assert_eq!(judged(&counts(3, 240, shared)).exit, crate::answer::ExitCode::Clean, "{shared}");
    }
}

#[test]
fn counts_that_move_away_from_each_other_are_each_worker_s() {
    // Each is served at random, by its own pace.
    for (workers, rows) in [2, 3, 4].into_iter().flat_map(|workers| [60, 240, 720].map(|rows| (workers, rows))) {
        for (seed, pace) in (0..4).flat_map(|seed| [30, 100, 1000].map(|pace| (seed, pace))) {
            let served = |pid: u64, i: u64| {
                let mean = pace * (100 + 15 * pid) / 100;
                mean + chance(seed << 48 | pid << 32 | i) % (mean / 4)
            };
            let mut text = "time_s,pid,requests,anon_kib\n".to_owned();
            let mut counts = vec![0; workers as usize];
            for i in 0..rows {
                for pid in 0..workers {
                    counts[pid as usize] += served(pid, i);
                    let kib = 50_000 + 100 * i + (i + pid) * 7919 % 41;
                    text.push_str(&format!("{},{},{},{kib}\n", 60 * i, 500 + pid, counts[pid as usize]));
                }
            }
            let table = with(&text, None, None).unwrap_or_else(|error| panic!("{workers}, {rows}, {pace}: {error}"));
            assert!(table.record.meta.counting.per_worker, "{workers}, {rows}, {pace}");
        }
    }
}

#[test]
fn counts_of_each_interval_of_the_pool_are_asked_about() {
    let count = |pid, i| 8000 + chance(i) % 900 + chance(pid << 32 | i) % 50;
    let asked = with(&table(8, 60, count), None, None).unwrap_err();
    assert!(asked.contains("--requests-of"), "{asked}");
    let said = with(&table(8, 60, count), Some(RequestsOf::Pool), None).unwrap();
    let growth = judged(&said).findings[0].growth.unwrap().estimate;
    assert!((growth / 97.0 - 1.0).abs() < 0.08, "{growth}");
}

#[test]
fn a_count_of_the_pool_on_workers_that_are_recycled_is_asked_about() {
    let mut text = "time_s,pid,requests,anon_kib\n".to_owned();
    for i in 0..240u64 {
        for slot in 0..4u64 {
            let pid = 500 + 4 * ((i + 3 * slot) / 12) + slot;
            text.push_str(&format!("{},{pid},{},{}\n", 60 * i, late(i, 0.02 * slot as f64), 50_000 + i % 12 * 100));
        }
    }
    assert!(with(&text, None, None).unwrap_err().contains("--requests-of"));
    assert!(with(&text, Some(RequestsOf::Pool), None).is_ok());
}

#[test]
fn counts_that_begin_anew_with_each_worker_are_its_own_however_evenly_they_are_served() {
    for life in [30, 60] {
        let mut text = "time_s,pid,requests,anon_kib\n".to_owned();
        for i in 0..400 {
            for slot in 0..6u64 {
                let (worker, age) = ((i + 3 * slot) / life, (i + 3 * slot) % life);
                let (pid, kib) = (1000 * (slot + 1) + worker, 50_000 + 100 * age + chance(slot << 32 | i) % 300);
                text.push_str(&format!("{},{pid},{},{kib}\n", 2 * i, 100 * age + 95));
            }
        }
        let judged = judged(&with(&text, None, None).unwrap());
        assert_eq!(judged.exit, crate::answer::ExitCode::Leak, "{life}: {:?}", judged.claims);
    }
}

#[test]
fn a_count_in_the_rows_of_one_worker_alone_is_asked_about() {
    let mut text = "time_s,pid,requests,anon_kib\n".to_owned();
    for i in 0..60u64 {
        for pid in 0..4u64 {
            let count = if pid == 0 { (8000 * i).to_string() } else { String::new() };
            text.push_str(&format!("{},{pid},{count},{}\n", 60 * i, 50_000 + 100 * i + (i + pid) * 7919 % 41));
        }
    }
    assert!(with(&text, None, None).unwrap_err().contains("only one of the workers has a count"));
    let said = with(&text, Some(RequestsOf::Pool), None).unwrap();
    let growth = judged(&said).findings[0].growth.unwrap().estimate;
    assert!((growth / 51.2 - 1.0).abs() < 0.05, "{growth}");
}

#[test]
fn counts_that_go_their_own_ways_are_each_worker_s() {
    let own: [Counted; 4] = [
        ("one has more to do than the other", |pid, i| i * (800 + 160 * pid) + chance(pid << 32 | i) % 100),
        ("began at other times", |pid, i| (i + 17 * pid) * (1000 + 300 * pid) + chance(pid << 32 | i) % 100),
        ("one serves nothing", |pid, i| if pid == 0 { i * 1000 } else { 7 * pid }),
        ("as the kernel hands them out", |pid, i| (1 << (12 - pid)) * i),
    ];
    for (what, count) in own {
        for workers in [2, 4, 8] {
            let text = table(workers, 60, count);
            let table = with(&text, None, None).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(table.record.meta.counting.per_worker, "{what}");
        }
    }
    // Who says so has each judged by its own count.
    let alike = |pid, i| i * 1000 + chance(pid << 32 | i) % 100;
    assert!(with(&table(4, 60, alike), None, None).is_err());
    let said = with(&table(4, 60, alike), Some(RequestsOf::Worker), None).unwrap();
    assert!(said.record.meta.counting.per_worker);
}

#[test]
fn seepage_s_own_readings_are_each_worker_s() {
    let mut text = "elapsed_s,requests,anon_kib,swap_kib,file_kib,shmem_kib,fds,threads,pid,start\n".to_owned();
    for i in 0..120u64 {
        for pid in 0..4u64 {
            text.push_str(&format!("{i}.000,{},50000,0,0,0,5,1,{},{}\n", i * 100 + pid, 500 + pid, 900 + pid));
        }
    }
    assert!(with(&text, None, None).unwrap().record.meta.counting.per_worker);
}
