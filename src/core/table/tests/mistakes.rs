//! Units, roles and columns that were mistaken: what can't be so is refused, and what is too coarse is left open.

use super::*;

fn mapped(head: &str, count: u64, row: impl Fn(u64) -> String, mapping: &Mapping) -> Result<Table, String> {
    let rows: String = (0..count).map(|i| row(i) + "\n").collect();
    read(format!("{head}\n{rows}").as_bytes(), "x.csv", mapping).map_err(|error| error.to_string())
}

fn of(head: &str, count: u64, row: impl Fn(u64) -> String) -> Result<Table, String> {
    mapped(head, count, row, &Mapping::default())
}

fn options(pairs: &[(&str, &str)]) -> Mapping {
    let mut mapping = Mapping::default();
    for (option, value) in pairs {
        let value = Some((*value).to_owned());
        match *option {
            "time" => mapping.time = value,
            "memory" => mapping.memory = value,
            "swap" => mapping.swap = value,
            "requests" => mapping.requests = value,
            "worker" => mapping.worker = value,
            other => panic!("{other}"),
        }
    }
    mapping
}

fn outcome(table: &Table) -> Outcome {
    let mut record = table.record.clone();
    record.meta.budgets = usual_budgets(&record);
    verdict::judge(&record).outcome
}

#[test]
fn what_is_rounded_to_more_than_the_budget_is_left_open() {
    for (size, step) in [
        ("2Gi", 1u64 << 30),
        ("12 GB", 1 << 30),
        ("1.23 GiB", (1 << 30) / 100),
        ("12.3g", (1 << 30) / 10),
        ("0.012t", (1 << 40) / 1000),
        ("1.2G", (1 << 30) / 10),
        ("200 MiB", 1 << 20),
        ("1.796E+09", 1_000_000),
    ] {
        let head = if size.contains('E') { "time_s,rss_bytes" } else { "time_s,rss" };
        let table = of(head, 120, |i| format!("{},{size}", 60 * i)).unwrap();
        assert_eq!((table.record.meta.host.page, outcome(&table)), (step, Outcome::Inconclusive), "{size}");
    }
    let exact = of("time_s,rss", 120, |i| format!("{},204800.{:03}k", 60 * i, i % 7)).unwrap();
    assert_eq!((exact.record.meta.host.page, outcome(&exact)), (4096, Outcome::Clean));
    // Four digits whatever the size, as docker has them: the larger unit is the coarser.
    let docker = |i: u64| format!("{},{}", 60 * i, if i < 60 { "999.4MiB" } else { "1.234GiB" });
    assert_eq!(of("time_s,mem_usage", 120, docker).unwrap().record.meta.host.page, (1 << 30) / 1000);
}

#[test]
fn times_that_may_be_milliseconds_are_asked_about() {
    for (name, step) in [("elapsed", 150), ("t", 201), ("time", 250), ("time", 300)] {
        let asked = of(&format!("{name},rss_kib"), 60, |i| format!("{},90000", step * i)).unwrap_err();
        assert!(asked.contains("may be seconds or milliseconds: say the unit with --time-unit"), "{asked}");
    }
    for name in ["seconds", "time_s", "secs"] {
        let table = of(&format!("{name},rss_kib"), 60, |i| format!("{},90000", 300 * i)).unwrap();
        assert_eq!(table.record.meta.elapsed, Some(17_700.0), "{name}");
    }
    assert!(of("time,rss_kib", 60, |i| format!("{},90000", 60 * i)).is_ok());
}

#[test]
fn times_that_can_be_no_date_are_refused() {
    let row = |i: u64| format!("{},90000", 1_796_029_200_000 + 60_000 * i);
    for (name, unit) in [("timestamp_s", None), ("timestamp", Some(1.0)), ("timestamp_h", None)] {
        let mapping = Mapping { time_unit: unit, ..Mapping::default() };
        let refused = mapped(&format!("{name},rss_kib"), 60, row, &mapping).unwrap_err();
        assert!(refused.contains("its times can't be in") && refused.contains("--time-unit"), "{refused}");
    }
    assert_eq!(of("timestamp_ms,rss_kib", 60, row).unwrap().record.meta.elapsed, Some(3540.0));
}

#[test]
fn sizes_that_no_process_has_are_refused() {
    let refused = |head: &str, size: u64| of(head, 60, |i| format!("{},{}", 60 * i, size + i % 7)).unwrap_err();
    for (head, size) in [("time_s,rss_bytes", 200), ("time_s,rss_kib", 8), ("time_s,rss_bytes", 204_837)] {
        let told = refused(head, size);
        assert!(told.contains("--memory-unit") && told.contains("bytes at most"), "{told}");
    }
    let bytes = Mapping { memory_unit: Some(1), ..Mapping::default() };
    assert!(mapped("time_s,rss_bytes", 60, |i| format!("{},204837", 60 * i), &bytes).is_ok(), "it was said so");
}

#[test]
fn a_column_is_one_thing() {
    let row = |i: u64| format!("{},90000,{i},8", 60 * i);
    let read = |pairs: &[(&str, &str)]| mapped("time,rss_kb,n,pid", 30, row, &options(pairs));
    for pairs in [
        &[("memory", "time")][..],
        &[("swap", "rss_kb"), ("memory", "rss_kb")],
        &[("requests", "rss_kb"), ("memory", "rss_kb")],
        &[("worker", "rss_kb"), ("memory", "rss_kb")],
        &[("requests", "time"), ("time", "time")],
    ] {
        let refused = read(pairs).unwrap_err();
        let told = refused.contains("can't be both the") || refused.contains("the unit of column `time` isn't known");
        assert!(told, "{pairs:?}: {refused}");
    }
    // What was mapped is nothing else by its name.
    for option in ["swap", "requests", "worker"] {
        let refused = read(&[(option, "rss_kb")]).unwrap_err();
        assert!(refused.contains("no column is known to hold memory"), "{option}: {refused}");
    }
    assert!(read(&[("worker", "pid"), ("requests", "n")]).is_ok());
}

#[test]
fn columns_of_other_kinds_are_asked_about() {
    let bytes = Mapping { memory_unit: Some(1), ..Mapping::default() };
    for head in ["pod-a,pod-b,uptime_x", "requests_rate,pod-a,pod-b", "mem_total,mem_used,mem_x", "pod-a,pod-b,web"] {
        let row = |i: u64| format!("{},90000000,90000001,90000002", 60 * i);
        let asked = mapped(&format!("time,{head}"), 30, row, &bytes).unwrap_err();
        assert!(asked.contains("it may be no process as the others are"), "{asked}");
    }
    let list = Mapping { memory: Some("pod-*,web".into()), ..bytes.clone() };
    let chosen = mapped("time,pod-a,pod-b,web", 30, |i| format!("{},90000000,90000001,90000002", 60 * i), &list);
    assert_eq!(chosen.unwrap().record.workers().len(), 3);
    let all = Mapping { memory: Some("*".into()), ..bytes.clone() };
    let chosen = mapped("time,pod-a,web", 30, |i| format!("{},90000000,90000001", 60 * i), &all);
    assert_eq!(chosen.unwrap().record.workers().len(), 2, "the clock is none of them");
    let sum = |i: u64| format!("{},{},90000001,90000002", 60 * i, 180_000_003u64);
    assert!(mapped("time,every,web,db", 30, sum, &bytes).unwrap_err().contains("is the sum of the others"));
}

#[test]
fn rows_of_several_metrics_are_asked_about() {
    let row =
        |i: u64| format!("{},{},{}", 60 * (i / 2), ["rss", "cpu"][i as usize % 2], [90_000_000, 0][i as usize % 2]);
    let value = Mapping { memory: Some("value".into()), memory_unit: Some(1), ..Mapping::default() };
    let asked = mapped("time,name,value", 60, row, &value).unwrap_err();
    assert!(asked.contains("--where 'name=rss'"), "{asked}");
    let chosen = Mapping { filters: vec![("name".into(), "rss".into())], ..value };
    assert_eq!(mapped("time,name,value", 60, row, &chosen).unwrap().record.samples.len(), 30);
}

#[test]
fn requests_that_never_change_are_asked_about() {
    let row = |i: u64| format!("{},500,{}", 60 * i, 90_000 + 100 * i);
    let asked = of("time,requests,rss_kib", 60, row).unwrap_err();
    assert!(asked.contains("--requests-are interval"), "{asked}");
    for (are, outcome_of) in [(RequestsAre::Interval, Outcome::Leak), (RequestsAre::Running, Outcome::Inconclusive)] {
        let mapping = Mapping { requests_are: Some(are), ..Mapping::default() };
        assert_eq!(outcome(&mapped("time,requests,rss_kib", 60, row, &mapping).unwrap()), outcome_of);
    }
}

#[test]
fn a_column_without_a_value_gives_way_to_one_that_has_some() {
    let table = of("time,anon_kib,rss_kib", 60, |i| format!("{},NA,{}", 60 * i, 90_000 + 100 * i)).unwrap();
    assert_eq!(outcome(&table), Outcome::Leak);
    assert!(table.record.meta.understood.unwrap().unused.contains(&"anon_kib".to_owned()));
}
