//! What dashboards, clouds and testers of load export; not recorded, but written after what is cited.

use super::*;
use crate::model::{Budgets, MemoryKind, Per};

const BEGIN: u64 = 1_767_225_600;

/// KiB of a worker that keeps half a MiB each minute, or nothing.
fn kib(i: u64, leaks: bool) -> u64 {
    90_000 + if leaks { 512 * i } else { 0 } + i * 37 % 5
}

fn with(text: &str, name: &str, mapping: &Mapping) -> Result<Table, String> {
    read(text.as_bytes(), name, mapping).map_err(|error| error.to_string())
}

fn rows_of(head: &str, row: impl Fn(u64) -> String) -> String {
    head.to_owned() + &(0..60).map(|i| row(i) + "\n").collect::<String>()
}

/// What each worker grew by from the first reading to the last, in KiB.
fn grown(table: &Table) -> Vec<u64> {
    let readings =
        |worker| table.record.samples.iter().filter(move |s| s.worker == worker).filter_map(|s| s.anon_and_swap());
    table
        .record
        .workers()
        .into_iter()
        .map(|w| (readings(w).max().unwrap() - readings(w).min().unwrap()) >> 10)
        .collect()
}

fn kind(table: &Table) -> MemoryKind {
    table.record.meta.understood.as_ref().unwrap().kind
}

/// Grafana's "Download CSV" of several series that are joined by time: the first column is `Time`, the others have the series' names,
/// which are the metric and its labels where no legend is set, or with a unit. "Download for Excel" puts `sep=,` above.
#[test]
fn columns_that_are_metrics_with_labels_are_a_worker_each() {
    let names = "\"Time\",\"{__name__=\"\"process_resident_memory_bytes\"\", instance=\"\"a:1\"\"}\",\"process_resident_memory_bytes{instance=\"\"b:1\"\"}\"\n";
    for head in [names.to_owned(), format!("sep=,\n{names}"), format!("\u{feff}sep=,\r\n{names}")] {
        for time in [&|i: u64| format!("{}", 1000 * (BEGIN + 60 * i)), &|i: u64| format!("2026-01-01 00:{i:02}:00")]
            as [&dyn Fn(u64) -> String; 2]
        {
            let text = rows_of(&head, |i| format!("{},{},{}", time(i), 1024 * kib(i, true), 1024 * kib(i, false)));
            let table = with(&text, "x.csv", &Mapping::default()).unwrap();
            assert_eq!((kind(&table), grown(&table).len()), (MemoryKind::Resident, 2));
            assert!(grown(&table)[0].abs_diff(59 * 512) < 8 && grown(&table)[1] < 8, "{:?}", grown(&table));
        }
    }
}

#[test]
fn units_in_brackets_are_those_of_their_columns() {
    let text = rows_of("\"Time\",\"pod-a (MiB)\",\"pod-b (KiB)\"\n", |i| {
        format!("{},{:.3},{}", BEGIN + 60 * i, kib(i, true) as f64 / 1024.0, kib(i, false))
    });
    let asked = with(&text, "x.csv", &Mapping::default()).unwrap_err();
    assert!(asked.contains("choose columns with --memory (such as `--memory 'pod-*'`)"), "{asked}");
    let chosen = Mapping { memory: Some("pod-*".into()), ..Mapping::default() };
    let table = with(&text, "x.csv", &chosen).unwrap();
    assert!(grown(&table)[0].abs_diff(59 * 512) < 8 && grown(&table)[1] < 8, "{:?}", grown(&table));
}

/// The answers of CloudWatch's API to GetMetricData and GetMetricStatistics, as its reference describes them.
#[test]
fn answers_of_cloudwatch_are_points_of_the_metrics_they_are_labelled_with() {
    let time = |i: u64| format!("\"2026-01-01T00:{i:02}:00+00:00\"");
    // The newest come first.
    let list = |of: &dyn Fn(u64) -> String| (0..60).rev().map(of).collect::<Vec<_>>().join(",");
    let data = format!(
        "{{\"MetricDataResults\": [{{\"Id\": \"m1\", \"Label\": \"memory_rss\", \"Timestamps\": [{}], \"Values\": [{}], \"StatusCode\": \
         \"Complete\"}}], \"Messages\": []}}",
        list(&time),
        list(&|i| format!("{}.0", 1024 * kib(i, true)))
    );
    let asked = with(&data, "x.json", &Mapping::default()).unwrap_err();
    assert!(asked.contains("the unit of column `memory_rss` isn't known: give --memory-unit"), "{asked}");
    let bytes = Mapping { memory_unit: Some(1), ..Mapping::default() };
    let table = with(&data, "x.json", &bytes).unwrap();
    assert_eq!((grown(&table).len(), table.record.samples.len()), (1, 60));
    let statistics = format!(
        "{{\"Label\": \"memory_rss\", \"Datapoints\": [{}]}}",
        list(&|i| format!(
            "{{\"Timestamp\": {}, \"Average\": {}.0, \"Unit\": \"Bytes\"}}",
            time(i),
            1024 * kib(i, true)
        ))
    );
    let same = with(&statistics, "x.json", &Mapping::default()).unwrap();
    assert_eq!(rows(&same), rows(&table));
    // Answers page by page, or day by day, in one file; and another's among them.
    let later = |text: &str| text.replace("2026-01-01", "2026-01-02");
    let both = with(&format!("{data}\n{}", later(&data)), "x.json", &bytes).unwrap();
    assert_eq!(both.record.samples.len(), 120);
    assert_eq!(
        with(&format!("{statistics}{}", later(&statistics)), "x.json", &bytes).unwrap().record.samples.len(),
        120
    );
    let mixed = with(&format!("{data}\n[]"), "x.json", &bytes).unwrap_err();
    assert_eq!(mixed, "document 2: expected an answer like the first");
    let percent = statistics.replace("memory_rss", "MemoryUtilization").replace("Bytes", "Percent");
    assert!(with(&percent, "x.json", &Mapping::default()).is_err());
}

/// "Download as .csv" of a graph in CloudWatch's console: not recorded, but in the form that a loader of such a file expects which stands in
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataResult.html> field by field: `Id`, `StatusCode`,
/// `Messages`, `Label`.
#[test]
fn a_graph_of_cloudwatch_s_console_has_labels_above_its_points() {
    let above = |labels: &str, full: &str| {
        format!("Id,m1,m2\nStatusCode,Complete,Complete\nMessages,,\nFull label,{full}\nLabel,{labels}\n")
    };
    let rows = |head: &str, leaks: [bool; 2]| {
        rows_of(head, |i| format!("2026/01/01 00:{i:02}:00,{},{}", 1024 * kib(i, leaks[0]), 1024 * kib(i, leaks[1])))
    };
    let head =
        above("procstat_memory_rss,CPUUtilization", "a procstat_memory_rss Average 60,a CPUUtilization Average 60");
    let text = rows(&head, [true, false]);
    let table = with(&text, "x.csv", &Mapping::default()).unwrap();
    assert_eq!((kind(&table), grown(&table).len()), (MemoryKind::Resident, 1));
    assert!(grown(&table)[0].abs_diff(59 * 512) < 8, "{:?}", grown(&table));
    // Two downloads, one after the other; and of other metrics.
    let twice = format!("{text}{}", text.replace("2026/01/01", "2026/01/02"));
    assert_eq!(with(&twice, "x.csv", &Mapping::default()).unwrap().record.samples.len(), 120);
    let others = format!("{text}{}", text.replace("CPUUtilization", "mem_used"));
    let refused = with(&others, "x.csv", &Mapping::default()).unwrap_err();
    assert!(refused.starts_with("line 70: the names of columns come again, and are others"), "{refused}");
    // A table that has such a column is none of these.
    let table = rows_of("label,time_s,rss_kib\n", |i| {
        format!("{},{},{}", "ab".repeat(1 + i as usize % 2), 60 * i, kib(i, true))
    });
    let worker = Mapping { worker: Some("label".into()), ..Mapping::default() };
    assert_eq!(with(&table, "x.csv", &worker).unwrap().record.samples.len(), 60);
    // Labels that are alike are told apart by the full ones.
    let alike = rows(&above("MemoryUtilized,MemoryUtilized", "shop a Average 60,shop b Average 60"), [true, false]);
    let chosen = Mapping { memory: Some("shop *".into()), memory_unit: Some(1), ..Mapping::default() };
    assert_eq!(grown(&with(&alike, "x.csv", &chosen).unwrap()).len(), 2);
    let refused = with(&alike, "x.csv", &Mapping::default()).unwrap_err();
    assert!(refused.contains("`shop a Average 60`") && refused.contains("--memory-unit"), "{refused}");
}

/// collectd's CSV plugin writes a file for each value, named after what it is and the day; `recorded` has what is in one.
#[test]
fn a_file_of_collectd_is_what_its_name_says() {
    let text = rows_of("epoch,value\n", |i| format!("{}.250,{}.000000", BEGIN + 60 * i, 1024 * kib(i, true)));
    let table = with(&text, "ps_rss-2026-01-01", &Mapping::default()).unwrap();
    assert_eq!(kind(&table), MemoryKind::Resident);
    assert!(grown(&table)[0].abs_diff(59 * 512) < 8);
    assert!(with(&text, "memory-used-2026-01-01", &Mapping::default()).is_ok());
    let second = text.replace("\n17672", "\n17673");
    for name in ["ps_rss.csv", "ps_rss-week"] {
        assert_eq!(with(&format!("{text}{second}"), name, &Mapping::default()).unwrap().record.samples.len(), 120);
    }
    for name in ["ps_vm-2026-01-01", "ps_rssx", "memory-free-2026-01-01", "x.csv"] {
        let refused = with(&text, name, &Mapping::default()).unwrap_err();
        assert!(refused.contains("--memory"), "{name}: {refused}");
    }
}

/// k6 (`--out csv`, `--out json`) and JMeter's CSV (`jmeter.save.saveservice.output_format=csv`), after their documentation.
#[test]
fn records_of_requests_alone_are_refused_by_name() {
    for (tool, text) in [
        (
            "k6",
            "metric_name,timestamp,metric_value,check,error,method,status,url\nhttp_reqs,1767225600,1.000000,,,GET,200,http://x/\n",
        ),
        (
            "k6",
            "{\"type\":\"Metric\",\"data\":{\"name\":\"http_reqs\",\"type\":\"counter\"},\"metric\":\"http_reqs\"}\n{\"type\":\"Point\",\"metric\":\"http_reqs\",\"data\":{\"time\":\"2026-01-01T00:00:00Z\",\"value\":1,\"tags\":{}}}\n",
        ),
        (
            "JMeter",
            "timeStamp,elapsed,label,responseCode,responseMessage,threadName,success,bytes,grpThreads,allThreads,Latency\n1767225600000,12,GET /,200,OK,t 1-1,true,300,1,1,11\n",
        ),
    ] {
        let refused = with(text, "x", &Mapping::default()).unwrap_err();
        assert!(
            refused.contains(&format!("it is {tool}'s record of requests, without the memory")),
            "{tool}: {refused}"
        );
        assert!(refused.contains("seepage attach"), "{refused}");
    }
}

#[test]
fn a_database_is_refused_with_the_command_that_exports_it() {
    let refused = with("SQLite format 3\0...", "x.sqlite", &Mapping::default()).unwrap_err();
    assert!(refused.contains("sqlite3 -header -csv FILE \"SELECT ts AS timestamp, stat_pid AS pid"), "{refused}");
}

/// What older versions of sysstat call used has the page cache in it, by their man pages of `sar`: a machine's is then full, whatever leaks.
#[test]
fn used_memory_with_the_page_cache_in_it_is_refused() {
    let line = "kbmemfree   kbavail kbmemused  %memused kbbuffers  kbcached";
    let row =
        |used: u64| format!("00:00:01 {} 900000 {used} {:.2} 100 {}\n", 1_000_000 - used, used as f64 / 1e4, used / 2);
    let text = format!("00:00:00 {line}\n{}{}", row(700_000), row(700_100).replace("00:01", "00:02"));
    let refused = with(&text, "x", &Mapping::default()).unwrap_err();
    assert!(
        refused.contains("`kbmemused` has the page cache in it") && refused.contains("--memory kbcommit"),
        "{refused}"
    );
}

#[test]
fn rows_whose_names_or_times_are_missing_are_refused_with_what_to_put_there() {
    let refused = |text: &str| with(text, "x", &Mapping::default()).unwrap_err();
    let headless =
        refused("23:48:59 0 5384 250.98 0.00 15676 10852 0.04 python3\n23:49:00 0 5384 0 0 15676 10852 0.04 python3\n");
    assert!(headless.starts_with("line 1: expected a line with the names of the columns"), "{headless}");
    let named = with(
        "# Time UID PID minflt/s majflt/s VSZ RSS %MEM Command\n23:48:59 0 5384 250.98 0.00 15676 10852 0.04 python3 x y\n",
        "x",
        &Mapping::default(),
    );
    assert_eq!(rows(&named.unwrap())[0].1, Some(10_852 << 10));
    let others = refused("# Time PID RSS\n1767225600 7 90000\n1767225660 7 90001\n");
    assert!(others.contains("the unit of column `RSS` isn't known"), "{others}");
    let timeless = refused("Name:\tx\nVmRSS:\t 100 kB\n");
    assert!(timeless.contains("print a time above it each time, as `date +%s` does"), "{timeless}");
    let vmstat = " r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st\n 9  0      0 848236 366036 23122628    0    0   116  2370  708 1507 77  8 15  0  0\n";
    assert!(refused(vmstat).contains("`vmstat -t` prints them"), "{}", refused(vmstat));
    let small = "procs -----------memory---------- ---swap--\n r  b   swpd   free   buff  cache UTC\n 9  0      0 8482 366 23122 2026-11-30 23:48:59\n";
    assert!(refused(small).contains("say it with --memory-unit"), "{}", refused(small));
    let mib = Mapping { memory_unit: Some(1 << 20), ..Mapping::default() };
    let freed = with(&format!("{small} 9  0 0 9482 366 23122 2026-11-30 23:49:59\n"), "x", &mib).unwrap();
    let levels: Vec<_> = freed.record.samples.iter().filter_map(|sample| sample.anon).collect();
    assert_eq!((levels.len(), levels[0] - levels[1]), (2, 1000 << 20), "more is free than at first");
    let whose = refused("1767225600\nVmRSS:\t 100 kB\nVmRSS:\t 200 kB\n");
    assert!(whose.contains("`VmRSS` stands twice under one time") && whose.contains("grep -H"), "{whose}");
    let rollups = "1767225600\n1-2 ---p 0 0:0 0 [rollup]\nRss: 100 kB\n3-4 ---p 0 0:0 0 [rollup]\nRss: 100 kB\n";
    assert!(refused(rollups).contains("nothing says of which process each is"), "{}", refused(rollups));
}

#[test]
fn half_days_names_of_users_and_averages_in_any_language_are_those_of_sysstat() {
    let row = |i: u64| {
        let (hour, half) = if i < 2 { (11, "PM") } else { (12, "AM") };
        let time = |minute: u64| format!("{hour}:{minute:02}:00 {half}");
        let minute = (58 + i) % 60;
        format!(
            "{} USER PID minflt/s RSS %MEM Command\n{} www 7 0.00 {} 0.0 a b\n\n",
            time(minute),
            time(minute),
            kib(i, true)
        )
    };
    let text: String = (0..30).map(row).collect();
    for (begin, end) in [
        ("", ""),
        (
            "Linux 5.4.0 (h) 01/01/26 _x86_64_ (2 CPU)\n\n",
            "Durchschn.: USER PID minflt/s RSS %MEM Command\nDurchschn.: www 7 0.00 5 0.0 a\n",
        ),
    ] {
        let table = with(&format!("{begin}{text}{end}"), "x", &Mapping::default()).unwrap();
        let read = rows(&table);
        assert_eq!((read.len(), read[29].0), (30, 29.0 * 60.0));
        assert_eq!(read[29].1, Some(kib(29, true) << 10));
    }
    let other = with(&format!("{text}what is this\n"), "x", &Mapping::default()).unwrap_err();
    assert!(other.contains("expected a row that begins with a time, or names, found `what is this`"), "{other}");
}

/// A form, and what it begins with and has of each minute and level in KiB.
type Form = (&'static str, &'static str, fn(u64, u64) -> String);

#[test]
fn in_every_form_a_leak_is_one_at_its_rate_and_a_clean_process_is_clean() {
    let forms: [Form; 8] = [
        ("pidstat", "", |i, kib| {
            format!("# Time UID PID minflt/s RSS Command\n{} 0 7 {}.00 {kib} x y\n", BEGIN + 60 * i, i % 3)
        }),
        ("status", "", |i, kib| format!("{}\nVmRSS:\t{kib} kB\nVmSwap:\t0 kB\n", BEGIN + 60 * i)),
        ("smaps", "", |i, kib| {
            let mapping = |from: u64, kib: u64| format!("{from}-9f r--p 0 0:0 0\nAnonymous: {kib} kB\nSwap: 0 kB\n");
            format!("{}\n{}{}", BEGIN + 60 * i, mapping(1, kib - 10), mapping(2, 10))
        }),
        ("smem", "", |i, kib| {
            let names = "  PID User Command Swap USS PSS RSS";
            format!("{}\n{names}\n 7 www a b c 0 {kib} {} {}\n----\n 1 1 0 1 1 1\n", BEGIN + 60 * i, kib + 5, kib + 900)
        }),
        ("vmstat", "procs ---memory---\n r b swpd free buff cache us UTC\n", |i, kib| {
            format!("1 0 0 {} 5 3000000 2 2026-01-01 {:02}:{:02}:00\n", 20_000_000 - kib, i / 60, i % 60)
        }),
        ("mprof", "CMDLINE x\n", |i, kib| format!("MEM {:.6} {}.5000\n", kib as f64 / 1024.0, BEGIN + 60 * i)),
        ("psrecord", "# Elapsed time   CPU (%)     Real (MB)   Virtual (MB)\n", |i, kib| {
            format!(" {}.002   {}.000   {:.3}   900.0\n", 60 * i, i % 3, kib as f64 / 1024.0)
        }),
        ("promtool", "", |i, kib| {
            format!(
                "{{__name__=\"process_resident_memory_bytes\", job=\"a\"}} {:e} {}000\n",
                kib as f64 * 1024.0,
                BEGIN + 60 * i
            )
        }),
    ];
    for (form, begin, row) in forms {
        for leaks in [true, false] {
            let text: String = (0..240).map(|i| row(i, kib(i, leaks))).collect();
            let table = with(&format!("{begin}{text}"), "x", &Mapping::default()).unwrap();
            let mut record = table.record;
            record.meta.budgets = Budgets { memory: Some(1_048_576.0), per: Per::Hour, ..Budgets::default() };
            let verdict = verdict::judge(&record);
            let growth = verdict.findings[0].growth.unwrap();
            let wanted = if leaks { Outcome::Leak } else { Outcome::Clean };
            assert_eq!(verdict.outcome, wanted, "{form}: {growth:?}");
            let rate = growth.estimate / (30.0 * 1_048_576.0);
            assert!(!leaks || (rate - 1.0).abs() < 0.05, "{form}: {growth:?}");
        }
    }
}
