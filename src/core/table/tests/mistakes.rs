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
fn times_whose_unit_nothing_says_are_asked_about() {
    // A reading a minute, in minutes, seconds or milliseconds, or one of 5, 10 or 300 of them.
    for name in ["time", "t", "ts", "timestamp", "elapsed", "uptime"] {
        for step in [1, 5, 10, 60, 150, 300, 60_000] {
            let row = |i| format!("{},90000", step * i);
            let asked = of(&format!("{name},rss_kib"), 60, row).unwrap_err();
            assert!(asked.contains("nothing says their unit: give it with --time-unit"), "{name} {step}: {asked}");
            let minutes = Mapping { time_unit: Some(60.0), ..Mapping::default() };
            let table = mapped(&format!("{name},rss_kib"), 60, row, &minutes).unwrap();
            assert_eq!(table.record.meta.elapsed, Some(60.0 * 59.0 * step as f64), "{name} {step}");
        }
    }
    for name in ["seconds", "time_s", "secs", "uptime_sec"] {
        let table = of(&format!("{name},rss_kib"), 60, |i| format!("{},90000", 300 * i)).unwrap();
        assert_eq!(table.record.meta.elapsed, Some(17_700.0), "{name}");
    }
}

#[test]
fn a_clock_beside_that_says_the_same_in_some_unit_is_no_other() {
    let both = |head: &str, other: fn(u64) -> u64| {
        of(&format!("{head},rss_kib"), 60, |i| format!("{},{},90000", 1_796_029_200 + 60 * i, other(i)))
    };
    for other in [|i| i, |i| 60 * i, |i| 60_000 * i] {
        assert_eq!(both("timestamp,elapsed", other).unwrap().record.meta.elapsed, Some(3540.0));
    }
    assert!(both("timestamp,elapsed", |i| 7 * i).unwrap_err().contains("could be the time"));
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
    let read = |pairs: &[(&str, &str)]| mapped("time_s,rss_kb,n,pid", 30, row, &options(pairs));
    for pairs in [
        &[("memory", "time_s")][..],
        &[("swap", "rss_kb"), ("memory", "rss_kb")],
        &[("requests", "rss_kb"), ("memory", "rss_kb")],
        &[("worker", "rss_kb"), ("memory", "rss_kb")],
        &[("requests", "time_s"), ("time", "time_s")],
    ] {
        let refused = read(pairs).unwrap_err();
        let told = refused.contains("can't be both the") || refused.contains("the unit of column `time_s` isn't known");
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
        let asked = mapped(&format!("time_s,{head}"), 30, row, &bytes).unwrap_err();
        assert!(asked.contains("it may be no process as the others are"), "{asked}");
    }
    let list = Mapping { memory: Some("pod-*,web".into()), ..bytes.clone() };
    let chosen = mapped("time_s,pod-a,pod-b,web", 30, |i| format!("{},90000000,90000001,90000002", 60 * i), &list);
    assert_eq!(chosen.unwrap().record.workers().len(), 3);
    let all = Mapping { memory: Some("*".into()), ..bytes.clone() };
    let chosen = mapped("time_s,pod-a,web", 30, |i| format!("{},90000000,90000001", 60 * i), &all);
    assert_eq!(chosen.unwrap().record.workers().len(), 2, "the clock is none of them");
    let sum = |i: u64| format!("{},{},90000001,90000002", 60 * i, 180_000_003u64);
    assert!(mapped("time_s,every,web,db", 30, sum, &bytes).unwrap_err().contains("is the sum of the others"));
}

#[test]
fn rows_of_several_metrics_are_asked_about() {
    let row =
        |i: u64| format!("{},{},{}", 60 * (i / 2), ["rss", "cpu"][i as usize % 2], [90_000_000, 0][i as usize % 2]);
    let value = Mapping { memory: Some("value".into()), memory_unit: Some(1), ..Mapping::default() };
    let asked = mapped("time_s,name,value", 60, row, &value).unwrap_err();
    assert!(asked.contains("--where 'name=rss'"), "{asked}");
    let chosen = Mapping { filters: vec![("name".into(), "rss".into())], ..value };
    assert_eq!(mapped("time_s,name,value", 60, row, &chosen).unwrap().record.samples.len(), 30);
}

#[test]
fn requests_that_never_change_are_asked_about() {
    let row = |i: u64| format!("{},500,{}", 60 * i, 90_000 + 100 * i);
    let asked = of("time_s,requests,rss_kib", 60, row).unwrap_err();
    assert!(asked.contains("--requests-are interval"), "{asked}");
    for (are, outcome_of) in [(RequestsAre::Interval, Outcome::Leak), (RequestsAre::Running, Outcome::Inconclusive)] {
        let mapping = Mapping { requests_are: Some(are), ..Mapping::default() };
        assert_eq!(outcome(&mapped("time_s,requests,rss_kib", 60, row, &mapping).unwrap()), outcome_of);
    }
}

#[test]
fn requests_that_fall_seldom_and_by_little_are_asked_about() {
    // Those of each minute, in stairs, or all but steady.
    let stairs = |i: u64| 500 + 100 * (5u64.abs_diff(i / 12));
    let steady = |i: u64| 500 - u64::from(i % 7 == 6);
    for count in [stairs as fn(u64) -> u64, steady] {
        let row = |i: u64| format!("{},{},{}", 60 * i, count(i), 90_000 + 5 * i);
        let asked = of("time_s,requests,rss_kib", 120, row).unwrap_err();
        assert!(asked.contains("falls, and by little"), "{asked}");
        let mapping = Mapping { requests_are: Some(RequestsAre::Interval), ..Mapping::default() };
        assert_eq!(outcome(&mapped("time_s,requests,rss_kib", 120, row, &mapping).unwrap()), Outcome::Clean);
    }
    // A process that begins anew every half an hour.
    let restarts = |i: u64| format!("{},{},{}", 60 * i, 500 * (i % 30), 90_000 + 5 * i);
    assert!(of("time_s,requests,rss_kib", 120, restarts).is_ok());
}

#[test]
fn counts_with_a_common_factor_are_asked_about() {
    let chance = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let served = |i: u64| 20 + chance(i) % 9;
    let at_stairs = |i: u64| 20 + i / 20 * 3;
    let so_far = |i: u64| -> u64 { (0..=i).map(served).sum() };
    let counts: [(&str, &dyn Fn(u64) -> u64); 2] = [("of a time", &served), ("at a pace that rises", &at_stairs)];
    for (what, count) in counts {
        let table = |factor: u64, are: Option<RequestsAre>| {
            let row = |i: u64| format!("{},{},{}", 60 * i, factor * count(i), 90_000 + 100 * i);
            mapped("time_s,requests,rss_kib", 120, row, &Mapping { requests_are: are, ..Mapping::default() })
        };
        // Requests a minute, counted in 30, 15, 10 and 5 seconds.
        for factor in [2, 4, 6, 12] {
            let asked = table(factor, None).unwrap_err();
            let says = [format!("multiples of {factor}"), "--requests-are interval".into(), "--load".into()];
            assert!(says.iter().all(|says| asked.contains(says)), "{what}: {asked}");
            assert!(table(factor, Some(RequestsAre::Interval)).is_ok(), "{what}, {factor}");
        }
        assert!(table(1, None).is_ok(), "{what}");
    }
    // What rises in every row is no rate: each page may be of five requests.
    assert!(of("time_s,requests,rss_kib", 120, |i| format!("{},{},90000", 60 * i, 5 * so_far(i))).is_ok());
    // As a driver sends them that is steady, or between two readings.
    for seconds in [|i: u64| 60 * i, |i| 60 * i + i * 7919 % 61] {
        assert!(of("time_s,requests,rss_kib", 120, |i| format!("{},{},90000", seconds(i), 600 * i)).is_ok());
    }
}

#[test]
fn a_column_without_a_value_gives_way_to_one_that_has_some() {
    let table = of("time_s,anon_kib,rss_kib", 60, |i| format!("{},NA,{}", 60 * i, 90_000 + 100 * i)).unwrap();
    assert_eq!(outcome(&table), Outcome::Leak);
    assert!(table.record.meta.understood.unwrap().unused.contains(&"anon_kib".to_owned()));
}

#[test]
fn a_column_of_units_counts_in_each_row() {
    let size = |i: u64| 900.0 + 2.0 * i as f64;
    let rows = |i: u64| match size(i) {
        small if small < 1024.0 => format!("{},{small},MB", 60 * i),
        large => format!("{},{:.5},GB", 60 * i, large / 1024.0),
    };
    let table = of("time_s,memory,unit", 400, rows).unwrap();
    assert_eq!(outcome(&table), Outcome::Leak);
    let last = table.record.samples.last().unwrap().anon.unwrap() as f64 / 1048576.0;
    assert!((last - size(399)).abs() < 0.1, "{last}");
    let told = table.record.meta.understood.unwrap();
    assert!(told.unused.is_empty() && told.taken.iter().any(|taken| taken.how.contains("`unit` names in each row")));
    for (head, unit) in [("time_s,memory,unit", Some(1 << 20)), ("time_s,memory_mb,units", None)] {
        let mapping = Mapping { memory_unit: unit, ..Mapping::default() };
        let refused = mapped(head, 400, rows, &mapping).unwrap_err();
        assert!(refused.contains("line 64: column `unit") && refused.contains("found `GB`"), "{refused}");
    }
    let agrees = Mapping { memory_unit: Some(1_000_000), ..Mapping::default() };
    let plain = mapped("time_s,memory,unit", 60, rows, &agrees).unwrap();
    assert_eq!(plain.record.samples[0].anon, Some(900_000_000));
    let service = of("time_s,rss_kib,unit", 60, |i| format!("{},90000,web.service", 60 * i)).unwrap();
    assert_eq!(service.record.meta.understood.unwrap().unused, ["unit"], "of systemd");
    assert!(of("time_s,rss,unit", 400, |i| format!("{},9,{}", 60 * i, if i < 300 { "GB" } else { "x" })).is_err());
}

#[test]
fn what_may_be_swapped_memory_is_asked_about() {
    let row = |i: u64| format!("{},90000,{}", 60 * i, 100 * i);
    for name in ["swapped", "swap_used_kb", "SwapPss", "vm_swap_bytes_used", "swapped_mb"] {
        let asked = of(&format!("time_s,rss_kib,{name}"), 60, row).unwrap_err();
        assert!(asked.contains(&format!("--swap '{name}'")) && asked.contains("--swap none"), "{asked}");
        let none = options(&[("swap", "none")]);
        assert!(mapped(&format!("time_s,rss_kib,{name}"), 60, row, &none).is_ok(), "{name}");
    }
    let chosen = options(&[("swap", "swap_used_kb")]);
    let table = mapped("time_s,rss_kib,swap_used_kb", 60, row, &chosen).unwrap();
    assert_eq!(outcome(&table), Outcome::Leak);
    for name in ["swap_total", "swapcached_kb", "swap_in", "swappiness"] {
        assert!(of(&format!("time_s,rss_kib,{name}"), 60, row).is_ok(), "{name}");
    }
}

#[test]
fn numbers_of_a_calendar_are_asked_about() {
    let minute = |i: u64| format!("{:02}{:02}", 9 + i / 60, i % 60);
    let row = |i: u64| format!("{},{}", minute(i), 90_000 + 20 * i);
    for name in ["time", "elapsed"] {
        let asked = of(&format!("{name},rss_kib"), 200, row).unwrap_err();
        assert!(asked.contains("give --time-format %H%M; or --time-unit s"), "{asked}");
    }
    let format = |format: &str| Mapping { time_format: Some(format.into()), ..Mapping::default() };
    let read = mapped("time,rss_kib", 200, row, &format("%H%M")).unwrap();
    assert_eq!((read.record.meta.elapsed, outcome(&read)), (Some(11_940.0), Outcome::Leak));
    let days = |i: u64| format!("20261130{:02},90000", i);
    assert!(of("time,rss_kib", 20, days).unwrap_err().contains("--time-format %Y%m%d%H"));
    let read = mapped("time,rss_kib", 20, days, &format("%Y%m%d%H")).unwrap();
    assert_eq!(read.record.meta.elapsed, Some(19.0 * 3600.0));
    let seconds = Mapping { time_unit: Some(1.0), ..Mapping::default() };
    assert_eq!(mapped("time,rss_kib", 200, row, &seconds).unwrap().record.meta.elapsed, Some(1219.0 - 900.0));
}

#[test]
fn days_and_minutes_since_a_beginning_are_told_by_their_size() {
    for (begin, how) in [(2_461_374.875, "Julian days, by its size"), (61_374.375, "modified Julian days, by its size")]
    {
        let table = of("time,rss_kib", 60, |i| format!("{:.6},90000", begin + i as f64 / 1440.0)).unwrap();
        assert!((table.record.meta.elapsed.unwrap() - 3540.0).abs() < 1.0);
        assert_eq!(table.record.meta.understood.unwrap().taken[0].how, how);
        assert!(of("elapsed,rss_kib", 60, |i| format!("{:.6},90000", begin + i as f64 / 1440.0)).is_err());
    }
    for begin in [29_933_820, 498_897, 100_000_000_000] {
        assert!(
            of("time,rss_kib", 60, |i| format!("{},90000", begin + i)).unwrap_err().contains("nothing says their unit")
        );
    }
    assert!(
        of("time_s,rss_kib", 60, |i| format!("{},90000", 100_000_000_000 + i)).unwrap_err().contains("can't be in")
    );
}

#[test]
fn ages_of_two_parts_are_asked_about() {
    let row = |i: u64| format!("{}:{:02},90000", i / 60, i % 60);
    let asked = of("elapsed,rss_kib", 200, row).unwrap_err();
    assert!(asked.contains("say which with --time-format %M:%S or %H:%M"), "{asked}");
    for (format, seconds) in [("%M:%S", 199.0), ("%H:%M", 199.0 * 60.0)] {
        let mapping = Mapping { time_format: Some(format.into()), ..Mapping::default() };
        assert_eq!(mapped("elapsed,rss_kib", 200, row, &mapping).unwrap().record.meta.elapsed, Some(seconds));
    }
    let three = of("elapsed,rss_kib", 200, |i| format!("{:02}:{:02}:{:02},90000", i / 60, i % 60, 0)).unwrap();
    assert_eq!(three.record.meta.elapsed, Some(199.0 * 60.0));
    assert!(of("elapsed,rss_kib,pid", 200, |i| row(i) + ",7").is_ok(), "as `ps` writes it");
}

#[test]
fn sizes_times_and_those_under_way_are_no_count_of_requests() {
    let with = |name: &str| {
        let rows: String = (0..60).map(|i| format!("{},{},{}\n", 60 * i, 9000 * i, 90_000 + 30 * i)).collect();
        let mapping = Mapping { requests: Some(name.into()), ..Mapping::default() };
        read(format!("time_s,{name},rss_kib\n{rows}").as_bytes(), "x.csv", &mapping)
    };
    for name in [
        "http_request_duration_seconds_sum",
        "http_request_size_bytes_sum",
        "request_bytes_total",
        "requests_in_flight",
        "http_requests_active",
        "http_request_duration_ms",
    ] {
        let refused = with(name).unwrap_err().to_string();
        assert!(refused.contains("no count of them"), "{name}: {refused}");
    }
    for name in ["http_request_duration_seconds_count", "http_server_requests_seconds_count", "served"] {
        assert!(with(name).is_ok(), "{name}");
    }
}

#[test]
fn requests_of_a_longer_time_than_between_two_rows_are_no_count() {
    let chance = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let served = |i: u64| 900 + chance(i) % 200;
    let table = |name: &str, count: &dyn Fn(u64) -> u64| {
        let rows: String =
            (20..200).map(|i| format!("{},{},{}\n", 60 * i, count(i), 90_000 + 100 * i + i % 7)).collect();
        read(format!("time_s,{name},rss_kib\n{rows}").as_bytes(), "x.csv", &Mapping::default())
    };
    // Of each minute, as they are, and with the day.
    assert!(table("requests", &served).is_ok());
    assert!(table("requests", &|i| served(i) + (300.0 * (i as f64 / 30.0).sin()) as u64).is_ok());
    // Of the last quarter of an hour, and a mean of it.
    let uneven = |i: u64| 500 + chance(i) % 1000;
    let longer: [&dyn Fn(u64) -> u64; 3] =
        [&|i| (i - 15..i).map(served).sum(), &|i| (i - 15..i).map(uneven).sum(), &|i| {
            (i - 15..i).map(uneven).sum::<u64>() / 15
        }];
    for count in longer {
        let refused = table("requests", count).unwrap_err().to_string();
        assert!(refused.contains("may be a rate, or those of a longer time"), "{refused}");
    }
}
