//! Whole tables, in all their forms.

mod columns;
mod dialects;
mod exports;
mod foreign;
mod forms;
mod meanings;
mod mistakes;
mod pools;
mod recorded;
mod unjudged;
mod unread;

use super::*;
use crate::answer::Outcome;
use crate::model::{CountingSource, MOST_READINGS, WorkerId};
use crate::verdict;
use proptest::prelude::*;

fn read_text(text: &str) -> Table {
    read(text.as_bytes(), "x.csv", &Mapping::default()).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

fn error(text: &str) -> String {
    read(text.as_bytes(), "x.csv", &Mapping::default()).unwrap_err().to_string()
}

/// Time, memory and requests of each reading, and the place of its worker.
fn rows(table: &Table) -> Vec<(f64, Option<u64>, Option<u64>, usize)> {
    let workers = table.record.workers();
    let place = |id: WorkerId| workers.iter().position(|w| *w == id).unwrap();
    table.record.samples.iter().map(|s| (s.t, s.anon_and_swap(), s.requests, place(s.worker))).collect()
}

#[test]
fn delimiters_line_ends_quotes_and_a_mark_make_no_difference() {
    let plain = read_text("elapsed_s,requests,anon_kib,swap_kib\n0.5,10,100,1\n1.5,20,200,0\n");
    assert_eq!(rows(&plain), [(0.0, Some(103_424), Some(10), 0), (1.0, Some(204_800), Some(20), 0)]);
    for text in [
        "\u{feff}elapsed_s,requests,anon_kib,swap_kib\r\n0.5,10,100,1\r\n1.5,20,200,0\r\n",
        "Elapsed (s);Requests;Anon (KiB);Swap (KiB)\n0,5;10;100;1\n1,5;20;200;0",
        "\n\"elapsed_s\"\t\"requests\"\t\"anon_kib\"\tswap_kib\n\"0.5\"\t10\t100\t1\n\n1.5\t20\t200.0\t0\n",
    ] {
        assert_eq!(rows(&read_text(text)), rows(&plain), "{text}");
    }
}

#[test]
fn what_is_missing_is_missing() {
    let table = read_text("time_s,requests,rss_kib,fds\n0,,,5\n1,NA,nan,null\n2,3,100,\n,4,1,1\n");
    let read: Vec<_> = table.record.samples.iter().map(|s| (s.anon, s.requests, s.fds)).collect();
    assert_eq!(read, [(None, None, Some(5)), (None, None, None), (Some(102_400), Some(3), None)]);
    assert!(table.notes.contains(&"1 rows without a time were left out".into()), "{:?}", table.notes);
}

#[test]
fn bad_rows_are_told_with_their_line() {
    let header = "time_s,requests,anon_kib\n1,1,1\n";
    assert_eq!(
        error(&format!("{header}2,x,1\n")),
        "line 3: column `requests`: expected a number, or nothing where it is missing, found `x`"
    );
    assert_eq!(error(&format!("{header}2,1\n")), "line 3: expected 3 fields, as the line of names has, found 2");
    assert_eq!(
        error(&format!("{header}\n2,1,-5\n")),
        "line 4: column `anon_kib`: expected a number from 0, below 2^64, found `-5`"
    );
    assert!(
        error(&format!("{header}2,1,999999999999999999\n")).contains("line 3: column `anon_kib`: expected a number")
    );
    assert!(error(&format!("{header}inf,1,1\n")).contains("column `time_s`"));
    assert_eq!(error("time_s,rss_kib,pid\n1,1,5000000000\n"), "line 2: `5000000000` is no process ID");
    assert_eq!(error("time_s,rss_kib\n"), "it has no rows");
    assert!(error(" \r\n").starts_with("it is empty"));
    assert!(error("a,b\n1,2\n").starts_with("line 1: no column is known to hold a time or requests; found: `a`, `b`"));
}

#[test]
fn workers_and_pids_are_incarnations_and_so_are_restarts() {
    let table = read_text("time_s,pid,requests,anon_kib\n0,7,1,90\n0,8,1,90\n1,7,5,90\n1,8,5,90\n2,7,2,90\n2,8,9,90\n");
    assert_eq!(rows(&table).iter().map(|r| r.3).collect::<Vec<_>>(), [0, 1, 0, 1, 2, 1]);
    assert_eq!(table.record.workers().iter().map(|w| w.pid).collect::<Vec<_>>(), [7, 8, 7]);
    let by_time = read_text("time_s,worker,rss_kib\n0,a,90\n1,a,90\n2,a,90\n1.9,a,90\n0,a,90\n0,b,90\n");
    assert_eq!(
        rows(&by_time).iter().map(|r| (r.0, r.3)).collect::<Vec<_>>(),
        [(0.0, 0), (0.0, 1), (0.0, 2), (1.0, 0), (1.9, 0), (2.0, 0)]
    );
    let started = read_text("time_s,pid,start,anon_kib\n0,7,100,90\n1,7,100,90\n2,7,300,90\n0.5,7,100,90\n");
    let ids = [WorkerId::new(7, 100), WorkerId::new(7, 300)];
    assert_eq!(started.record.workers(), ids);
}

#[test]
fn psrecord_is_known() {
    let table = read_text(
        "# Elapsed time   CPU (%)     Real (MB)   Virtual (MB)\n       0.000        0.000       10.500      100.1\n  \
         1.000  5.0  11.000  100.1\n",
    );
    assert_eq!(rows(&table), [(0.0, Some(11_010_048), None, 0), (1.0, Some(11_534_336), None, 0)]);
    assert_eq!(table.record.meta.counting.source, CountingSource::None);
    let broken = "# Elapsed time   CPU (%)     Real (MB)   Virtual (MB)\n 0.0 0.0 x 1\n 1.0 0.0 1 1\n";
    assert!(error(broken).starts_with("line 2: column `Real (MB)`: expected a number"), "{}", error(broken));
}

#[test]
fn mprof_is_known() {
    let table = read_text(
        "CMDLINE python x.py\nMEM 1.5 1700000000.1234\nCHLD 0 2.25 1700000000.1300\nFUNC f 1.0 1.0 2.0 2.0\nMEM 2.5 \
         1700000001.1234\n",
    );
    let (own, child) = (Some(1_572_864), Some(2_359_296));
    let read: Vec<_> = rows(&table).iter().map(|r| ((r.0 * 1e4).round(), r.1, r.3)).collect();
    assert_eq!(read, [(0.0, own, 0), (66.0, child, 1), (10_000.0, Some(2_621_440), 0)]);
    assert!(error("MEM 1.0 5\nMEM 6\n").starts_with("line 2: expected a line of mprof"));
}

#[test]
fn a_table_without_time_stands_one_second_apart() {
    let table = read_text("requests,rss_mib\n1,1\n2,2\n");
    assert_eq!(rows(&table), [(0.0, Some(1 << 20), Some(1), 0), (1.0, Some(2 << 20), Some(2), 0)]);
    assert!(table.notes.iter().any(|note| note.contains("the file has no time")));
    assert_eq!(table.record.meta.host.page, 1 << 20, "rounded to the unit");
    assert_eq!(read_text("requests,rss_mib\n1,1.250\n").record.meta.host.page, 4096);
}

#[test]
fn a_load_is_no_count_of_requests() {
    let mut text = "time_s,load,rss_kib\n".to_owned();
    (0..60).for_each(|i| text.push_str(&format!("{i},{},{}\n", 10 + i, 10_000 + 4 * i)));
    let mut record = read_text(&text).record;
    assert_eq!((record.load.len(), record.load[5].sent), (60, 15_000));
    record.meta.budgets.memory = Some(64.0);
    assert_eq!(verdict::judge(&record).findings[0].axis, crate::model::Axis::Seconds);
}

#[test]
fn long_tables_are_thinned_for_each_worker_alike() {
    let mut text = "time_s,pid,requests,anon_kib\n".to_owned();
    let long = MOST_READINGS as u64 / 2 + 1000;
    for i in 0..long {
        text.push_str(&format!("{i},7,{i},{}\n{i},8,{},9000\n", 9000 + i / 8, 3 * i));
    }
    let table = read_text(&text);
    assert!(table.record.samples.len() <= MOST_READINGS);
    let of = |pid| table.record.samples.iter().filter(|s| s.worker.pid == pid).count() as u64;
    assert!(of(7).abs_diff(of(8)) <= 1 && of(7) >= long / 2, "{} and {} of {long}", of(7), of(8));
    let all = format!("of {} readings of the workers stand for all", 2 * long);
    assert!(table.notes.iter().any(|note| note.contains(&all)), "{:?}", table.notes);
}

#[test]
fn a_quote_left_open_ends_the_reading() {
    let endless = io::repeat(b'a');
    let text = &b"time_s,rss_kib\n1,\"1"[..];
    let error = read(text.chain(endless), "x", &Mapping::default()).unwrap_err().to_string();
    assert!(error.contains("is a quote left open?"), "{error}");
}

#[test]
fn a_line_without_an_end_is_refused_in_every_form() {
    for begin in [
        "# Elapsed time CPU (%) Real (MB) Virtual (MB)\n",
        "MEM 90.5 1767225600.5\n",
        "time_s rss_kib\n1 1\n",
        "2026-01-01 00:00:00\n  PID   RSS\n    7  1000\n",
        "# TYPE rss_bytes gauge\nrss_bytes 1000 1767225600\n",
    ] {
        let endless = io::repeat(b'a');
        let error = read(begin.as_bytes().chain(endless), "x", &Mapping::default()).unwrap_err().to_string();
        assert!(error.contains("longer than"), "{begin}: {error}");
    }
}

/// Tables that are nearly right, as starting points for damage.
const CORPUS: [&str; 21] = [
    "elapsed_s,requests,anon_kib,swap_kib,pid,start,fds,threads,load,worker\n0,1,2,3,4,5,6,7,8,w\n1,2,2,3,4,5,6,7,8,w\n",
    "\u{feff}time_s;rss_mb\r\n0,5;\"1,5\"\r\n1;NA\r\n",
    "# Elapsed time   CPU (%)     Real (MB)   Virtual (MB)\n 0.0 0.0 1.5 2.0\n 1.0 0.0 1.5 2.0\n",
    "CMDLINE x\nMEM 1.5 1700000000.1\nCHLD 0 1.5 1700000000.1\nFUNC f 1 1 1 1\n",
    "t_s\trss_gib\n1e308\t1e9\n-1e308\t0\n",
    "time_s,rss_bytes\n18446744073709551615,18446744073709551615\n0,999999999999999999\n",
    "sep=;\n# x\nDate;memory\n2026-01-01T00:00:00+01:00;1,5 MiB / 2GiB\nThu Jan  1 12:00:00 AM UTC 2026;1.234,5 kB\n",
    "{\"ts\": \"2026-01-01 00:00:00\", \"m\": {\"rss_kib\": 12.5, \"l\": [1]}}\n{\"ts\": null, \"m\": {\"rss_kib\": -1}}\n",
    "# TYPE rss_bytes gauge\nrss_bytes{a=\"b\\\"c\",d=\"\"} 1e5 1767225600\nrss_bytes{a=\"b\"} 2 1767225660000 # {} 1\n",
    "Linux 6 (h)\n\n00:00:00 UID PID RSS Command\n00:00:01 0 7 100 a b\n00:00:02 0 7 1.5M a\nAverage: 0 7 1 a\n",
    "procs --memory--\n r b swpd free buff cache UTC\n 1 0 0 900000 5 900000 2026-01-01 00:00:00\n 1 0 9 8 5 9 2026-01-01 00:00:01\n",
    "1767225600\n1-2 r--p 0 0:0 0 a\nRss: 5 kB\nSwap: 0 kB\n3-4 r--p 0 0:0 0\nRss: 5 kB\n1767225601\n/proc/7/smaps:Rss: 5 kB\n",
    "2026-01-01 00:00:00 VmRSS: 5 kB\n2026-01-01 00:00:01 VmRSS: 6 kB\n==> /proc/7/status <==\nName: x\nPid: 7\nVmRSS: 1 kB\n",
    "{__name__=\"rss_bytes\",a=\"b\"} 1e5 1767225600000\n{__name__=\"x\"} 2 1767225660000\n",
    "{\"MetricDataResults\": [{\"Label\": \"rss_kib\", \"Timestamps\": [1, \"2026-01-01T00:00:00Z\"], \"Values\": [5, 1e300]}]}",
    "rss_bytes{a=\"b\"} =>\n1e5 @[1767225600]\n2 @[1767225660]\n",
    "{\"metric\": {\"__name__\": \"rss_bytes\"}, \"values\": [1e5, null], \"timestamps\": [1767225600000, 1767225660000]}",
    "[{\"target\": \"rss_bytes\", \"datapoints\": [[1e5, 1767225600], [null, 1767225660]]}]",
    "ts=1767225600 rss_bytes=\"1e5\" pid=7 command=a\nts=1767225660, rss_bytes=2, pid=7 command=b\n",
    "a,b=c\\ d memory_rss=1i,rss_kib=5,s=\"a, b\" 1767225600000000000\na memory_rss=2i 1767225660000000000\n",
    "sep=,\nTime,\"{__name__=\"\"rss_bytes\"\",a=\"\"b\"\"}\",rss_bytes{a=\"c\"}\n1,2,3\n2,3,\n",
];

fn survives(bytes: &[u8]) {
    if let Ok(mut table) = read(bytes, "x", &Mapping::default()) {
        let budgets = &mut table.record.meta.budgets;
        (budgets.memory, budgets.descriptors, budgets.threads) = (Some(64.0), Some(0.01), Some(0.01));
        verdict::judge(&table.record);
    }
}

#[test]
fn damaged_tables_make_no_panic() {
    for text in CORPUS {
        let bytes = text.as_bytes();
        for place in 0..bytes.len() {
            survives(&bytes[..place]);
            for byte in *b"\"\n,;\t-9.e\0\xff" {
                let mut damaged = bytes.to_vec();
                damaged[place] = byte;
                survives(&damaged);
            }
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), which in 0..CORPUS.len()) {
        survives(&bytes);
        let header = CORPUS[which].lines().next().unwrap_or_default();
        survives(&[header.as_bytes(), b"\n", &bytes].concat());
    }

    #[test]
    fn every_number_is_read_as_it_was_written(
        values in prop::collection::vec((0.0f64..1e9, any::<u32>(), prop::option::of(0u64..1 << 40)), 1..50)
    ) {
        prop_assume!(values.iter().any(|(_, _, memory)| memory.is_some()), "a column without a value is refused");
        let mut text = "time_s,requests,anon_bytes\n".to_owned();
        let mut requests = 0;
        for (i, (part, more, memory)) in values.iter().enumerate() {
            requests += u64::from(*more);
            let memory = memory.map_or(String::new(), |m| m.to_string());
            text.push_str(&format!("{},{requests},{memory}\n", i as f64 + part / 1e9));
        }
        let read = rows(&read_text(&text));
        prop_assert_eq!(read.len(), values.len());
        prop_assert!(read.iter().zip(&values).all(|(row, (_, _, memory))| row.1 == *memory && row.3 == 0));
        prop_assert_eq!(read[values.len() - 1].2, Some(requests));
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_steady_leak_is_found_whatever_the_spelling(seed in 0u64..50, delimiter in prop::sample::select(vec![',', ';', '\t'])) {
        let mut text = format!("Time (s){delimiter}REQUESTS{delimiter}Anon KB\r\n");
        for i in 0..300u64 {
            let requests = i * (10 + seed % 7);
            text.push_str(&format!("{i}{delimiter}{requests}{delimiter}{}\r\n", 20_000 + requests + 4 * (i * seed % 3)));
        }
        let mut record = read_text(&text).record;
        record.meta.budgets.memory = Some(64.0);
        let verdict = verdict::judge(&record);
        prop_assert_eq!(verdict.outcome, Outcome::Leak);
        let growth = verdict.findings[0].growth.unwrap();
        prop_assert!(growth.lower <= 1024.0 && 1000.0 <= growth.upper, "{:?}", growth);
    }
}
