//! Tables that could mean two things: each is read rightly, left open or refused, and never passed by mistake.

use super::*;
use crate::answer::Verdict;
use crate::model::TableDoubt;

/// Judges by the hour, or by the request if these are counted.
fn judged(table: &Table) -> Verdict {
    let mut record = table.record.clone();
    record.meta.budgets = usual_budgets(&record);
    verdict::judge(&record)
}

fn table(head: &str, count: u64, row: impl Fn(u64) -> String) -> Table {
    let rows: String = (0..count).map(|i| row(i) + "\n").collect();
    read_text(&format!("{head}\n{rows}"))
}

fn noise(i: u64) -> u64 {
    i * 7919 % 61
}

fn doubts(table: &Table) -> &[TableDoubt] {
    &table.record.meta.understood.as_ref().unwrap().doubts
}

fn lives(table: &Table) -> usize {
    table.record.workers().len()
}

#[test]
fn a_dead_process_holds_nothing() {
    let row = |i: u64| format!("{},{}", 60 * i, if i % 50 < 40 { 80_000 + i % 50 * 300 + noise(i) } else { 0 });
    let table = table("time_s,rss_kib", 100, row);
    assert_eq!((lives(&table), table.record.samples.len()), (2, 80));
    assert!(
        table.notes.iter().any(|note| note.starts_with("20 readings of 0 bytes were left out")),
        "{:?}",
        table.notes
    );
    assert_eq!(judged(&table).outcome, Outcome::Leak);
    assert!(error("time_s,rss_kib\n0,0\n1,0\n").starts_with("its memory is 0 in every row"));
}

#[test]
fn a_value_that_is_repeated_to_the_end_is_no_proof() {
    let held = |i: u64| format!("{},{},7", 60 * i, 80_000 + i.min(60) * 300 + noise(i.min(60)));
    let open = table("time_s,rss_kib,x", 100, held);
    assert_eq!(doubts(&open), [TableDoubt::Held { readings: 40, whose: String::new() }]);
    assert_ne!(judged(&open).outcome, Outcome::Clean);
    // Anything else that changes shows that it lives.
    let alive = table("time_s,rss_kib,cpu", 100, |i| format!("{},{}", held(i).trim_end_matches(",7"), i % 2));
    assert!(doubts(&alive).is_empty());
    // What settles bit by bit is a process at rest.
    let settles = |i: u64| format!("{},{}", 60 * i, (90_000 - 40_000 / (1 + i / 4) / 4 * 4));
    assert!(doubts(&table("time_s,rss_kib", 100, settles)).is_empty());
}

#[test]
fn a_fall_to_where_it_began_is_a_restart_and_many_may_be_collections() {
    let tooth = |i: u64, every: u64| 80_000 + i % every * 900 + noise(i);
    let once = table("time_s,rss_kib", 200, |i| format!("{},{}", 60 * i, tooth(i, 140)));
    assert_eq!((lives(&once), judged(&once).outcome), (2, Outcome::Leak));
    // Of a climb that was seen in part, a fall below its begin may be either.
    for from in [40, 80, 110] {
        let deep = table("time_s,rss_kib", 160, |i| format!("{},{}", 60 * i, tooth(i + from, 140)));
        assert_eq!(doubts(&deep), [TableDoubt::Sawtooth { falls: 1, whose: String::new() }], "{from}");
        assert_eq!((lives(&deep), judged(&deep).outcome), (1, Outcome::Inconclusive), "{from}");
        // So may it in one process.
        let one = table("time_s,pid,rss_kib", 160, |i| format!("{},7,{}", 60 * i, tooth(i + from, 140)));
        assert_eq!((lives(&one), judged(&one).outcome), (1, Outcome::Inconclusive), "{from}");
    }
    let often = table("time_s,rss_kib", 200, |i| format!("{},{}", 60 * i, tooth(i, 30)));
    assert_eq!(doubts(&often), [TableDoubt::Sawtooth { falls: 6, whose: String::new() }]);
    assert_eq!((lives(&often), judged(&often).outcome), (1, Outcome::Inconclusive));
    for (name, value) in [("start", 30), ("process_start_time_seconds", 30)] {
        let known = table(&format!("time_s,rss_kib,{name}"), 200, |i| {
            format!("{},{},{}.5", 60 * i, tooth(i, 30), 5 + i / value)
        });
        assert_eq!((lives(&known), doubts(&known).len(), judged(&known).outcome), (7, 0, Outcome::Leak), "{name}");
    }
    let same_pid = table("time_s,rss_kib,pid", 200, |i| format!("{},{},77", 60 * i, tooth(i, 30)));
    assert_eq!((lives(&same_pid), doubts(&same_pid).len()), (1, 0), "a collector: the process is the same");
    let short = table("time_s,rss_kib", 200, |i| format!("{},{}", 60 * i, tooth(i, 7)));
    assert_eq!(doubts(&short), [TableDoubt::Sawtooth { falls: 28, whose: String::new() }]);
    let noisy = table("time_s,rss_kib", 200, |i| format!("{},{}", 60 * i, 80_000 + i * 7919 % 4001));
    assert!(doubts(&noisy).is_empty() && lives(&noisy) == 1);
    let flat = table("time_s,rss_kib", 200, |i| format!("{},{}", 60 * i, 80_000 + noise(i)));
    assert_eq!((lives(&flat), doubts(&flat).len(), judged(&flat).outcome), (1, 0, Outcome::Clean));
}

#[test]
fn workers_that_pile_up_are_no_pass() {
    // On any clock.
    for (clock, begin) in [("time_s", 0), ("timestamp", 1_796_029_200)] {
        let mut text = format!("{clock},pid,rss_kib\n");
        for i in 0..80u64 {
            let worker = |pid| format!("{},{},{}\n", begin + 60 * i, 500 + pid, 13_000 + noise(i));
            (0..3 + i / 2).for_each(|pid| text.push_str(&worker(pid)));
        }
        let verdict = judged(&read_text(&text));
        let leaks = verdict.findings.iter().find(|finding| finding.outcome == Outcome::Leak).expect("a leak");
        assert_eq!(leaks.resource, crate::model::Resource::Processes);
    }
    let mut text = "time_s,pid,rss_kib\n".to_owned();
    for i in 0..80u64 {
        (0..6).for_each(|pid| text.push_str(&format!("{},{},{}\n", 60 * i, 500 + pid, 13_000 + (i + pid) % 2)));
    }
    assert_eq!(judged(&read_text(&text)).outcome, Outcome::Clean, "as many as ever");
}

#[test]
fn counts_of_intervals_are_summed_up() {
    let row = |i: u64| format!("{},{},{}", 60 * i, 500 + i * 37 % 13, 50_000 + 50 * i);
    let summed = table("time_s,requests,anon_kib", 100, row);
    let all = rows(&summed);
    assert_eq!((all[0].2, all[1].2), (Some(500), Some(1_011)));
    assert_eq!((lives(&summed), judged(&summed).outcome), (1, Outcome::Leak));
    let mut text = "time_s,requests,anon_kib\n".to_owned();
    (0..100).for_each(|i| text.push_str(&(row(i) + "\n")));
    let running = Mapping { requests_are: Some(RequestsAre::Running), ..Mapping::default() };
    let refused = read(text.as_bytes(), "x", &running).unwrap_err().to_string();
    assert!(refused.contains("the count of requests falls in") && refused.contains("served so far"), "{refused}");
    let mut even = "time_s,requests,anon_kib\n".to_owned();
    (0..30).for_each(|i| even.push_str(&format!("{i},7,900\n")));
    let interval = Mapping { requests_are: Some(RequestsAre::Interval), ..Mapping::default() };
    assert_eq!(rows(&read(even.as_bytes(), "x", &interval).unwrap())[29].2, Some(210));
}

#[test]
fn a_count_that_is_nothing_for_once_could_not_be_read() {
    for (head, who) in [("time_s,requests,anon_kib,pid,start", ",7,100"), ("time_s,requests,anon_kib", "")] {
        for every in [3, 7, 50] {
            let count = |i: u64| if i % every == every - 1 { 0 } else { 1000 + 500 * i };
            let read = table(head, 299, |i| format!("{},{},{}{who}", 30 * i, count(i), 90_000 + 125 * i + noise(i)));
            assert_eq!((lives(&read), judged(&read).outcome), (1, Outcome::Leak), "{head}, every {every}");
            let growth = judged(&read).findings[0].growth.unwrap();
            assert!(growth.lower <= 256.0 && 256.0 <= growth.upper, "{head}, every {every}: {growth:?}");
        }
    }
    // One that begins anew is another life.
    let anew =
        table("time_s,requests,anon_kib", 90, |i| format!("{},{},{}", 30 * i, 500 * (i % 30), 90_000 + noise(i)));
    assert_eq!(lives(&anew), 3);
}

#[test]
fn running_counts_of_several_workers_in_one_column_are_asked_about() {
    let mut text = "time_s,requests,anon_kib\n".to_owned();
    (0..90u64).for_each(|i| text.push_str(&format!("{i},{},{}\n", 10_000 * (i % 3) + 7 * i, 50_000 + 50 * i)));
    assert!(error(&text).contains("looks like those of 3 workers in turn"), "{}", error(&text));
}

#[test]
fn a_count_that_all_workers_share_is_the_pool_s() {
    for late in [0.0, 0.01] {
        let mut text = "time_s,pid,requests,anon_kib\n".to_owned();
        for i in 0..60u64 {
            for pid in 0..4u64 {
                let t = 60.0 * i as f64 + late * pid as f64;
                text.push_str(&format!("{t},{},{},{}\n", 500 + pid, 4000 * i, 50_000 + 100 * i + noise(i + pid) / 2));
            }
        }
        let table = read_text(&text);
        assert!(!table.record.meta.counting.per_worker && table.record.samples.iter().all(|s| s.requests.is_none()));
        let verdict = judged(&table);
        assert_eq!(verdict.outcome, Outcome::Leak, "102 bytes for each of the thousand that are its share");
        let growth = verdict.findings[0].growth.unwrap().estimate;
        assert!((growth / 102.4 - 1.0).abs() < 0.05, "{growth}");
    }
}

#[test]
fn a_clock_that_stands_still_is_none() {
    assert!(error("time_s,rss_kib\n5,1\n5,2\n5,3\n").contains("column `time_s` never changes"));
}

/// Rows whose times are minutes of a day.
fn dated(rows: &str) -> String {
    let one = |(minute, rest): (&str, &str)| format!("2026-10-25 02:{minute:0>2}:00,{rest}\n");
    rows.lines().filter_map(|row| row.split_once(',')).map(one).collect()
}

#[test]
fn readings_of_one_time_are_asked_about() {
    let mut text = "time_s,task,rss_kib\n".to_owned();
    for i in 0..30u64 {
        text.push_str(&format!("{i},web,{}\n{i},db,{}\n", 9_000 + i, 90_000));
    }
    let asked = error(&text);
    assert!(asked.contains("say which column tells their processes apart with --worker (one of `task`?)"), "{asked}");
    let mapping = Mapping { worker: Some("task".into()), ..Mapping::default() };
    assert_eq!(lives(&read(text.as_bytes(), "x", &mapping).unwrap()), 2);
    let mut containers = "time_s,pid,rss_kib\n".to_owned();
    (0..30u64).for_each(|i| containers.push_str(&format!("{i},1,{}\n{i},1,90000\n", 9_000 + i)));
    assert!(error(&containers).contains("rows have the same time as another"), "one PID in two containers");
    // As large as one another: only what stands beside tells them apart.
    for (head, row) in [("time_s,rss_kib", ["90000", "90001"]), ("time_s,rss_kib,host", ["90000,a", "90000,b"])] {
        let rows: String = (0..60).map(|i| format!("{},{}\n", i / 2, row[i % 2])).collect();
        let asked = error(&format!("{head}\n{rows}"));
        assert!(asked.contains("30 of 60 rows have the same time as another"), "{asked}");
        assert_eq!(asked.contains("(one of `host`?)"), head.contains("host"), "{asked}");
    }
    // One after the other, as files are that were put together; and the same rows again, which are no others.
    let block: String = (0..40).map(|i| format!("{i},{}\n", 90_000 + i)).collect();
    let later: String = (0..40).map(|i| format!("{i},{}\n", 90_000 + i * i)).collect();
    assert!(error(&format!("time,rss_kib\n{}{}", dated(&block), dated(&later))).contains("write times in UTC"));
    let again = read_text(&format!("time,rss_kib\n{0}{0}", dated(&block)));
    assert_eq!(lives(&again), 1);
    // A clock of whole seconds that has two readings now and then.
    let rare = table("time_s,rss_kib", 200, |i| format!("{},{}", i - u64::from(i % 50 == 7), 90_000 + i));
    assert_eq!(lives(&rare), 1);
}

#[test]
fn another_program_under_a_pid_is_another_life() {
    let of = |head: &str, commands: &[&str]| {
        let row =
            |i: u64| format!("{},7,{},{}", 60 * i, commands[i as usize * commands.len() / 120], 50_000 + noise(i));
        lives(&table(head, 120, row))
    };
    for head in ["time_s,pid,command,rss_kib", "time_s,pid,COMM,rss_kib", "time_s,pid,Process Name,rss_kib"] {
        assert_eq!(of(head, &["python3 a.py"]), 1, "{head}");
        assert_eq!(of(head, &["sh", "java -jar x.jar"]), 2, "{head}");
        assert_eq!(of(head, &["python3 a.py", "python3 b.py", "ruby c.rb"]), 3, "{head}");
        // What servers write into their titles is what they do.
        let titles = ["postgres: idle", "postgres: SELECT", "postgres: idle", "postgres: COMMIT"];
        assert_eq!(of(head, &titles), 1, "{head}");
        let counting = ["worker: 1 request", "worker: 2 requests", "worker: 3 requests", "worker: 4 requests"];
        assert_eq!(of(head, &counting), 1, "{head}");
        assert_eq!(of(head, &["postgres: idle", "postgres: SELECT", "postgres: idle", "cat"]), 2, "{head}");
        // What isn't known is no other.
        assert_eq!(of(head, &["a", "", "a"]), 1, "{head}");
    }
    let started = |i: u64| format!("{},7,900,{},{}", 60 * i, if i < 60 { "sh" } else { "java" }, 50_000 + noise(i));
    assert_eq!(lives(&table("time_s,pid,start,command,rss_kib", 120, started)), 2);
}

#[test]
fn a_rate_is_no_count_of_requests() {
    let rows = |name: &str, value: fn(u64) -> String| {
        let rows: String = (0..60u64).map(|i| format!("{},{},{}\n", 60 * i, value(i), 50_000 + 100 * i)).collect();
        format!("time_s,{name},anon_kib\n{rows}")
    };
    let read =
        |text: &str, mapping: &Mapping| read(text.as_bytes(), "x.csv", mapping).map_err(|error| error.to_string());
    let mapped = |name: &str| Mapping { requests: Some(name.into()), ..Mapping::default() };
    // Fractions tell, whatever the name.
    let values: [fn(u64) -> String; 2] = [|i| format!("{}.5", 12 + i % 3), |i| format!("{}", 12.25 + i as f64)];
    for value in values {
        let told = read(&rows("requests", value), &Mapping::default()).unwrap_err();
        assert!(told.contains("a rate or a mean") && told.contains("--load 'requests'"), "{told}");
    }
    for name in ["rpm", "requests_per_minute", "req/s", "request_rate", "rps"] {
        let told = read(&rows(name, |i| format!("{}", 700 + i % 7)), &mapped(name)).unwrap_err();
        assert!(told.contains("in a unit of time") && told.contains(&format!("--load '{name}'")), "{told}");
        // Who says what it counts knows better.
        let said = Mapping { requests_are: Some(RequestsAre::Interval), ..mapped(name) };
        assert!(read(&rows(name, |i| format!("{}", 700 + i % 7)), &said).is_ok(), "{name}");
        assert!(read(&rows(name, |i| format!("{}.5", 700 + i % 7)), &said).is_err(), "{name}");
    }
    // Whole numbers may be written with a fraction.
    let whole = read(&rows("requests", |i| format!("{}.0", 1000 * i)), &Mapping::default()).unwrap();
    assert_eq!(whole.record.samples[2].requests, Some(2000));
}
