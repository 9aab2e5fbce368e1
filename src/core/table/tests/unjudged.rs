//! A pass is a promise for all of a process: what the judged column doesn't hold is judged beside it, or its growth is a doubt.

use super::*;
use crate::answer::{ExitCode, Verdict};
use crate::model::Resource;

/// The verdict on a table whose columns after the time grow by so many KiB a minute each, from 200,000.
fn judged(names: &[&str], grow: &[u64], mapping: &Mapping) -> Verdict {
    let mut text = format!("time_s,{}\n", names.join(","));
    for minute in 0..150u64 {
        let level = |(place, grow): (u64, &u64)| 200_000 * (1 + place) + grow * minute + (minute * 7919 + place) % 61;
        let levels: Vec<String> = (0..).zip(grow).map(level).map(|level| level.to_string()).collect();
        text.push_str(&format!("{},{}\n", 60 * minute, levels.join(",")));
    }
    let mut record =
        read(text.as_bytes(), "x.csv", mapping).unwrap_or_else(|error| panic!("{error}: {names:?}")).record;
    record.meta.budgets = usual_budgets(&record);
    verdict::judge(&record)
}

fn usual(names: &[&str], grow: &[u64]) -> Verdict {
    judged(names, grow, &Mapping::default())
}

#[test]
fn shared_memory_is_judged_beside_what_is_anonymous() {
    for name in ["rss_shmem_kb", "RssShmem (kB)", "shmem_kib"] {
        let leak = usual(&["rss_anon_kb", name, "rss_kb"], &[0, 200, 200]);
        let found: Vec<_> = leak.findings.iter().map(|finding| (finding.resource, finding.outcome)).collect();
        assert_eq!(found, [(Resource::Memory, Outcome::Clean), (Resource::Shared, Outcome::Leak)], "{name}");
        assert_eq!(leak.exit, ExitCode::Leak);
        // Files that are mapped are neither.
        assert_eq!(usual(&["rss_anon_kb", name, "rss_kb"], &[0, 0, 200]).exit, ExitCode::Clean);
    }
}

#[test]
fn what_holds_more_than_the_judged_column_and_grows_is_no_pass() {
    for (narrow, wide) in [
        ("rss_anon_kb", "rss_kb"),
        ("rss_anon_kb", "pss_kb"),
        ("uss_kb", "pss_kb"),
        ("uss_kb", "rss_kb"),
        ("anon_kib", "working_set_kib"),
        ("rss_kb", "working_set_kb"),
        ("anon_kb", "container_memory_usage_kb"),
    ] {
        let verdict = usual(&[narrow, wide], &[0, 200]);
        assert_eq!(verdict.exit, ExitCode::Inconclusive, "{narrow}, {wide}");
        let notes = crate::words::headline(&RunRecord::clone(&record()), &verdict).to_string();
        assert!(notes.contains(&format!("in column `{wide}` grew from")), "{notes}");
        assert_eq!(usual(&[narrow, wide], &[0, 0]).exit, ExitCode::Clean, "{narrow}, {wide}");
        assert_eq!(usual(&[narrow, wide], &[200, 200]).exit, ExitCode::Leak, "{narrow}, {wide}");
    }
}

/// A record to show a verdict beside.
fn record() -> RunRecord {
    read_text("time_s,rss_kib\n0,90000\n60,90000\n").record
}

#[test]
fn what_holds_no_memory_or_less_of_it_keeps_nothing_from_a_pass() {
    for (judged, beside) in [
        ("rss_kb", "vsz_kb"),
        ("rss_kb", "virt_kb"),
        ("rss_anon_kb", "vms_kb"),
        ("rss_anon_kb", "rss_file_kb"),
        ("rss_anon_kb", "shr_kb"),
        ("rss_kb", "pss_kb"),
        ("working_set_kb", "container_memory_usage_kb"),
    ] {
        let exit = usual(&[judged, beside], &[0, 200]).exit;
        let container = beside.contains("usage");
        assert_eq!(exit, if container { ExitCode::Inconclusive } else { ExitCode::Clean }, "{judged}, {beside}");
    }
}

#[test]
fn what_has_a_unit_of_memory_or_is_known_to_be_some_is_watched_and_traffic_is_not() {
    for beside in [
        "metaspace_mb",
        "direct_buffer_mb",
        "array_buffers_kib",
        "shm_mb",
        "dev_shm_bytes",
        "page_tables_bytes",
        "kernel_stack",
        "kernel_bytes",
        "VmPTE",
        "HugetlbPages",
        "external",
        "arrayBuffers",
        "percpu",
        "sock",
        "what_i_call_it_kib",
    ] {
        assert_eq!(usual(&["rss_kb", beside], &[0, 20_000]).exit, ExitCode::Inconclusive, "{beside}");
        assert_eq!(usual(&["rss_kb", beside], &[0, 0]).exit, ExitCode::Clean, "{beside}");
    }
    for beside in [
        "rx_bytes",
        "bytes_sent_kb",
        "disk_read_kb",
        "kbbuffers",
        "buff",
        "buffers_mb",
        "cache_mb",
        "log_size_mb",
        "AnonHugePages",
    ] {
        assert_eq!(usual(&["rss_kb", beside], &[0, 20_000]).exit, ExitCode::Clean, "{beside}");
    }
}

#[test]
fn values_that_flicker_by_one_step_are_no_restarts() {
    for rare in 3..30 {
        let mut text = "time_s,rss\n".to_owned();
        for minute in 0..150u64 {
            // The rarer one is the lower, every so often for a few readings.
            let low = minute.wrapping_mul(7919) % rare < 1 + rare / 4;
            text.push_str(&format!("{},{}Mi\n", 60 * minute, if low { 87 } else { 88 }));
        }
        let table = read(text.as_bytes(), "x.csv", &Mapping::default()).unwrap();
        let doubts = &table.record.meta.understood.as_ref().unwrap().doubts;
        assert!(doubts.is_empty(), "{rare}: {doubts:?}");
    }
}

#[test]
fn times_of_day_that_run_backwards_by_long_steps_are_asked_about() {
    let of = |hours: u64, minutes: u64| {
        let row = |i: u64| {
            let of_day = (9 * 60 + i * (60 * hours + minutes)) % 1440;
            format!("{:02}:{:02}:00,{}\n", of_day / 60, of_day % 60, 90_000 + 40 * i)
        };
        let text = format!("time,rss_kb\n{}", (0..60).map(row).collect::<String>());
        read(text.as_bytes(), "x.csv", &Mapping::default()).map(|_| ()).map_err(|error| error.to_string())
    };
    assert!(of(23, 0).unwrap_err().contains("with their dates"), "{:?}", of(23, 0));
    assert!(of(13, 0).is_err() && of(23, 45).is_err());
    // As they stand, or with the newest first.
    assert_eq!((of(0, 5), of(11, 0), of(23, 55)), (Ok(()), Ok(()), Ok(())));
}

#[test]
fn a_heap_that_was_chosen_is_not_the_whole_process() {
    let heap = Mapping { memory: Some("heap_used_kb".into()), ..Mapping::default() };
    assert_eq!(judged(&["heap_used_kb", "rss_kb"], &[0, 200], &heap).exit, ExitCode::Inconclusive);
    assert_eq!(judged(&["heap_used_kb", "rss_kb"], &[0, 0], &heap).exit, ExitCode::Clean);
}

#[test]
fn swapped_memory_counts_on_both_sides() {
    // What is swapped out leaves the resident part, and is judged.
    assert_eq!(usual(&["rss_anon_kb", "rss_kb", "swap_kb"], &[0, 0, 200]).exit, ExitCode::Leak);
}

#[test]
fn the_workers_of_a_pool_are_judged_together_by_what_is_wider() {
    let of = |grows: u64| {
        let mut text = "time_s,pid,rss_anon_kb,rss_kb\n".to_owned();
        for minute in 0..240u64 {
            for worker in 0..4u64 {
                // Each lives for an hour.
                let (age, noise) = ((minute + 15 * worker) % 60, (minute * 7919 + worker) % 61);
                let pid = 100 + worker + 10 * ((minute + 15 * worker) / 60);
                text.push_str(&format!("{},{pid},{},{}\n", 60 * minute, 90_000 + noise, 200_000 + noise + grows * age));
            }
        }
        let mut record = read_text(&text).record;
        record.meta.budgets = usual_budgets(&record);
        verdict::judge(&record).exit
    };
    assert_eq!((of(0), of(400)), (ExitCode::Clean, ExitCode::Inconclusive));
}

#[test]
fn a_column_that_may_hold_what_leaks_and_grows_is_no_pass() {
    let watched = [
        "heap_used_bytes",
        "jvm_memory_used_bytes",
        "go_memstats_heap_inuse_bytes",
        "nodejs_external_memory_bytes",
        "phys_footprint",
        "commit_bytes",
        "hugetlb_kb",
        "zram_kb",
        "kmem_bytes",
        "rss_huge_bytes",
        "mem_used_bytes",
        "goroutines",
        "open_sockets",
        "tasks",
        "TasksCurrent",
        "pids_current",
        "pids.current",
        "threads_total",
        "open_files_total",
        "process_open_fds_total",
        "connections_total",
        "mem_used_total",
    ];
    for name in watched {
        let verdict = usual(&["anon_kib", "swap_kib", name], &[0, 0, 200]);
        assert_eq!(verdict.exit, ExitCode::Inconclusive, "{name}");
        let told = crate::words::headline(&record(), &verdict).to_string();
        assert!(told.contains(&format!("column `{name}`, which is not judged, grows from")), "{told}");
        assert_eq!(usual(&["anon_kib", "swap_kib", name], &[0, 0, 0]).exit, ExitCode::Clean, "{name}");
        assert_eq!(usual(&["anon_kib", "swap_kib", name], &[200, 0, 200]).exit, ExitCode::Leak, "{name}");
    }
    // Address space, page cache, bounds, and what only counts up.
    for name in [
        "vsz_kb",
        "memory_cache_bytes",
        "memory_limit_bytes",
        "vmpeak_kb",
        "alloc_bytes_total",
        "mallocs_total",
        "faults",
        "jvm_threads_started_total",
        "connections_accepted_total",
        "process_network_receive_bytes_total",
        "process_context_switches_total",
    ] {
        assert_eq!(usual(&["anon_kib", "swap_kib", name], &[0, 0, 200]).exit, ExitCode::Clean, "{name}");
    }
}

#[test]
fn descriptors_and_threads_are_known_by_many_names() {
    for name in ["fd_count", "open_files", "num_handles", "thread_count", "process_open_file_descriptors"] {
        assert_eq!(usual(&["anon_kib", "swap_kib", name], &[0, 0, 200]).exit, ExitCode::Leak, "{name}");
        assert_eq!(usual(&[name], &[200]).exit, ExitCode::Leak, "{name}");
    }
    // Of several, the one that counts them all.
    let verdict = usual(&["anon_kib", "swap_kib", "num_fds", "open_files"], &[0, 0, 0, 0]);
    assert_eq!(verdict.exit, ExitCode::Clean);
}

#[test]
fn what_a_control_group_is_charged_with_is_read_and_held_beside() {
    for name in ["memory.current", "memory.usage_in_bytes"] {
        let grows = |names: &[&str]| {
            let mut text = format!("time_s,{}\n", names.join(","));
            for minute in 0..150u64 {
                let mut levels = vec![(200_000 << 10) + minute * 204_800 + minute * 7919 % 9973];
                if names.len() > 1 {
                    levels.insert(0, (100_000 << 10) + minute * 7919 % 9973);
                }
                let levels: Vec<String> = levels.iter().map(u64::to_string).collect();
                text.push_str(&format!("{},{}\n", 60 * minute, levels.join(",")));
            }
            let mut record = read_text(&text).record;
            record.meta.budgets = usual_budgets(&record);
            verdict::judge(&record).exit
        };
        assert_eq!(grows(&[name]), ExitCode::Leak, "{name}");
        assert_eq!(grows(&["anon_bytes", name]), ExitCode::Inconclusive, "{name}");
    }
}
