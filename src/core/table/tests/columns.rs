//! Which column is taken as what.

use super::super::columns::*;
use super::*;
use crate::model::MemoryKind;
use csv::ByteRecord;

fn find_above(header: &str, rows: &[&str], mapping: &Mapping) -> Result<Columns, String> {
    let header: Vec<Vec<u8>> = header.split(',').map(|name| name.as_bytes().to_vec()).collect();
    let rows: Vec<ByteRecord> = rows.iter().map(|row| row.split(',').collect::<Vec<_>>().into()).collect();
    Columns::find(&header, &rows, mapping, b',')
}

fn find(header: &str, mapping: &Mapping) -> Result<Columns, String> {
    find_above(header, &[], mapping)
}

fn time(columns: &Columns) -> Option<(usize, Option<f64>)> {
    columns.time.map(|time| (time.index, time.unit))
}

fn memory(columns: &Columns) -> Vec<(usize, Option<u64>)> {
    columns.memory.iter().map(|size| (size.index, size.unit)).collect()
}

#[test]
fn names_are_known_in_any_spelling() {
    let columns = find("Elapsed Time (s),Requests,RSS (KiB),Anon-KB,PID,Num Threads,x", &Mapping::default()).unwrap();
    assert_eq!(time(&columns), Some((0, Some(1.0))));
    assert_eq!((memory(&columns), columns.kind), (vec![(3, Some(1024))], MemoryKind::Anonymous));
    assert_eq!((columns.requests, columns.pid, columns.threads), (Some(1), Some(4), Some(5)));
    assert_eq!(
        (columns.wider.map(|(size, kind)| (size.index, kind)), &columns.unused[..]),
        (Some((2, MemoryKind::Resident)), &[6][..])
    );
    assert_eq!(time(&find("time_ms,rss_bytes", &Mapping::default()).unwrap()), Some((0, Some(1e-3))));
    let kind = |name: &str| find(&format!("time,{name}"), &Mapping::default()).unwrap().kind;
    assert_eq!(kind("container_memory_working_set_bytes"), MemoryKind::WorkingSet);
    assert_eq!(kind("process_resident_memory_bytes"), MemoryKind::Resident);
    assert_eq!((kind("memory_mb"), kind("pss_kib")), (MemoryKind::Unknown, MemoryKind::Proportional));
}

#[test]
fn a_mapping_comes_before_names() {
    let mapping = Mapping {
        time: Some("when".into()),
        memory: Some("heap_mib".into()),
        requests: Some("N".into()),
        worker: Some("a,b".into()),
        ..Mapping::default()
    };
    let columns = find("time,when,heap_mib,rss_kib,n,a,b", &mapping).unwrap();
    assert_eq!((time(&columns), memory(&columns)), (Some((1, None)), vec![(2, Some(1 << 20))]));
    assert_eq!((columns.requests, &columns.workers[..]), (Some(4), &[5, 6][..]));
    let mapping = Mapping { memory_unit: Some(1000), time_unit: Some(60.0), worker: None, ..mapping };
    let columns = find("when,heap_mib,n", &mapping).unwrap();
    assert_eq!((time(&columns), memory(&columns)), (Some((0, Some(60.0))), vec![(1, Some(1000))]));
    let several = Mapping { memory: Some("pod-*".into()), memory_unit: Some(1), ..Mapping::default() };
    assert_eq!(memory(&find("time,pod-a,cpu,pod-b", &several).unwrap()), [(1, Some(1)), (3, Some(1))]);
}

#[test]
fn what_cannot_be_told_is_refused() {
    let none = Mapping::default();
    let error = |header: &str| find(header, &none).unwrap_err();
    assert!(error("a,b\u{1b}[31m").contains("found: `a`, `b\\u{1b}[31m`; recognised: elapsed_s, requests"));
    assert!(error("time,rss").contains("the unit of column `rss` isn't known"));
    let two = "more than one column could be the memory: `rss_kib` and `rss_mb`; choose with --memory";
    assert_eq!(error("time,rss_kib,rss_mb"), two);
    assert!(error("time,vmrss_kb,rss_kib").contains("could be the memory"));
    assert!(error("time,rss_kib,requests,reqs").contains("could be the requests: `requests` and `reqs`"));
    assert!(
        error("time,cpu").contains("no column is known to hold memory, descriptors or threads; found: `time`, `cpu`")
    );
    let mapping = Mapping { pid: Some("id".into()), ..Mapping::default() };
    assert!(find("time,rss_kib", &mapping).unwrap_err().contains("no column is called `id`, as --pid wants it"));
    let mapping = Mapping { memory: Some("pod-*".into()), ..Mapping::default() };
    assert!(find("time,rss_kib", &mapping).unwrap_err().contains("no column is called like `pod-*`"));
}

#[test]
fn two_clocks_serve_if_they_say_the_same() {
    let same = ["0,1767225600,9", "60,1767225660,9", "120,1767225720,9"];
    let columns = find_above("elapsed_s,timestamp,rss_kib", &same, &Mapping::default()).unwrap();
    assert_eq!((time(&columns), &columns.clocks[..]), (Some((0, Some(1.0))), &[1][..]));
    let other = ["0,0.01,9", "60,0.10,9", "120,0.11,9"];
    let error = find_above("timestamp,time,rss_kib", &other, &Mapping::default()).unwrap_err();
    assert_eq!(error, "more than one column could be the time: `timestamp` and `time`; choose with --time");
    let chosen = Mapping { time: Some("timestamp".into()), ..Mapping::default() };
    assert_eq!(time(&find_above("timestamp,time,rss_kib", &other, &chosen).unwrap()), Some((0, None)));
    let parted = ["2026-01-01,23:59:00,9", "2026-01-02,00:00:00,9"];
    let columns = find_above("Date,Time,rss_kib", &parted, &Mapping::default()).unwrap();
    assert_eq!(columns.time.and_then(|time| time.date), Some(0));
    let ps = ["7,9,00:00:01,x", "7,9,00:00:02,x"];
    let error = find_above("PID,RSS_kib,TIME,CMD", &ps, &Mapping::default()).unwrap_err();
    assert!(error.contains("`TIME` may be CPU time"), "{error}");
}

#[test]
fn a_column_for_each_worker_needs_its_unit() {
    let rows = ["0,100,90", "60,101,90"];
    let error = find_above("time,pod-a,pod-b", &rows, &Mapping::default()).unwrap_err();
    assert!(error.contains("if each of `pod-a`, `pod-b` is the memory of one process, say its unit"), "{error}");
    let mapping = Mapping { memory_unit: Some(1 << 20), ..Mapping::default() };
    assert_eq!(
        memory(&find_above("time,pod-a,pod-b", &rows, &mapping).unwrap()),
        [(1, Some(1 << 20)), (2, Some(1 << 20))]
    );
    let own = ["0,1 MiB,2 MiB", "60,1 MiB,2 MiB"];
    assert_eq!(memory(&find_above("time,pod-a,pod-b", &own, &Mapping::default()).unwrap()), [(1, None), (2, None)]);
    assert!(find_above("time,pod-a,state", &["0,1,up", "1,2,up"], &mapping).is_err(), "words are no memory");
}
