//! Forms that other tools write and that have no columns: they are read as what they are, or refused by their name.

use super::*;

const BEGIN: u64 = 1_767_225_600;

/// Bytes of a worker that takes 12 MiB an hour, a reading a minute.
fn bytes(i: u64) -> u64 {
    (180_000 + 200 * i + i * 7919 % 97) * 1024
}

fn lines(row: impl Fn(u64) -> String) -> String {
    (0..90).map(|i| row(i) + "\n").collect()
}

fn growth(text: &str, mapping: &Mapping) -> f64 {
    let table = read(text.as_bytes(), "x", mapping).unwrap_or_else(|error| panic!("{error}: {}", &text[..200]));
    let mut record = table.record;
    record.meta.budgets = usual_budgets(&record);
    let verdict = verdict::judge(&record);
    assert_eq!(verdict.outcome, Outcome::Leak, "{}", &text[..200]);
    verdict.findings[0].growth.unwrap().estimate / (12.0 * 1_048_576.0)
}

fn unit_b() -> Mapping {
    Mapping { memory_unit: Some(1), ..Mapping::default() }
}

// After the documentation: not recorded. InfluxDB, "Line protocol reference"; Telegraf's plugin `procstat`; logfmt as Go's `log/slog` writes it.
#[test]
fn pairs_of_names_and_values_are_rows() {
    let iso = |i: u64| format!("2026-01-01T{:02}:{:02}:00Z", i / 60, i % 60);
    let forms: [&dyn Fn(u64) -> String; 4] = [
        &|i| format!("time={} level=info msg=\"a b = c\" pid=7 rss_bytes={}", iso(i), bytes(i)),
        &|i| format!("ts={}, rss_bytes={}; done", BEGIN + 60 * i, bytes(i)),
        &|i| {
            format!(
                "procstat,host=a,process_name=shop memory_rss={}i,num_threads=5i,pid=7i {}000000000",
                bytes(i),
                BEGIN + 60 * i
            )
        },
        &|i| {
            let other = format!("mem,host=a used=5i,swap_total=7i {}000000000", BEGIN + 60 * i);
            format!(
                "{other}\nprocstat,pid=7,exe=a\\ b memory_rss={}i,state=\"a, b=c\" {}000000000",
                bytes(i),
                BEGIN + 60 * i
            )
        },
    ];
    for row in forms {
        let rate = growth(&lines(row), &Mapping::default());
        assert!((rate - 1.0).abs() < 0.05, "{rate}: {}", row(0));
    }
    let torn = lines(forms[1]) + "ts=1767231000, rss_by";
    assert!(growth(&torn, &Mapping::default()) > 0.9);
    let wrong = lines(forms[1]) + "{\n";
    assert!(error(&wrong).starts_with("line 91: expected pairs such as"), "{}", error(&wrong));
    let wrong = lines(forms[2]) + "x y\n";
    assert!(error(&wrong).starts_with("line 91: expected a line as InfluxDB has it"), "{}", error(&wrong));
}

// After the documentation of each: not recorded. VictoriaMetrics, "How to export data in JSON line format"; Graphite, "The Render URL API";
// Datadog, "Query timeseries points"; the text of a matrix in Prometheus' `promql.Matrix`, as `promtool query range` prints it.
#[test]
fn exports_of_servers_of_metrics_are_read() {
    let list = |of: &dyn Fn(u64) -> String| (0..90).map(of).collect::<Vec<_>>().join(",");
    let (values, times) = (list(&|i| bytes(i).to_string()), list(&|i| format!("{}000", BEGIN + 60 * i)));
    let flat = list(&|i| (180_000_000 + i * 7919 % 97 * 1024).to_string());
    let exported = |pod: &str, values: &str| {
        format!(
            "{{\"metric\":{{\"__name__\":\"process_resident_memory_bytes\",\"pod\":\"{pod}\"}},\"values\":[{values}],\"timestamps\":[{times}]}}\n"
        )
    };
    let rate = growth(&exported("b", &values), &Mapping::default());
    assert!((rate - 1.0).abs() < 0.05, "{rate}");
    assert_eq!(read_text(&(exported("a", &flat) + &exported("b", &values))).record.workers().len(), 2);
    let graphite = format!(
        "[{{\"target\": \"servers.a.rss_bytes\", \"tags\": {{}}, \"datapoints\": [{}, [null, {}]]}}]",
        list(&|i| format!("[{}.0, {}]", bytes(i), BEGIN + 60 * i)),
        BEGIN + 6000
    );
    let rate = growth(&graphite, &Mapping { memory: Some("servers.a.rss_bytes".into()), ..unit_b() });
    assert!((rate - 1.0).abs() < 0.05, "{rate}");
    let datadog = format!(
        "{{\"status\": \"ok\", \"series\": [{{\"metric\": \"process.rss\", \"scope\": \"pod:a\", \"unit\": [{{\"name\": \"byte\"}}, null], \
         \"pointlist\": [{}]}}]}}",
        list(&|i| format!("[{}000.0, {}.0]", BEGIN + 60 * i, bytes(i)))
    );
    let rate = growth(&datadog, &Mapping { memory: Some("process.rss".into()), ..Mapping::default() });
    assert!((rate - 1.0).abs() < 0.05, "{rate}");
    // As `promtool query range` prints a matrix.
    let promtool = format!(
        "process_resident_memory_bytes{{instance=\"a:1\", job=\"x\"}} =>\n{}{}",
        lines(|i| format!("{} @[{}]", bytes(i), BEGIN + 60 * i)),
        "process_resident_memory_bytes{instance=\"b:1\", job=\"x\"} =>\n1e8 @[1767225600.5]\n"
    );
    let rate = growth(&promtool, &Mapping::default());
    assert!((rate - 1.0).abs() < 0.05, "{rate}");
    for wrong in [
        "{\"metric\":{},\"values\":[1],\"timestamps\":[]}",
        "[{\"target\": \"a\", \"datapoints\": [[1]]}]",
        "{\"series\": [{\"pointlist\": [[1]]}]}",
    ] {
        assert!(error(wrong).contains("expected"), "{}", error(wrong));
    }
}

// After the manuals of atop (PARSEABLE OUTPUT), nmon, free and k6 ("JSON output"): not recorded.
#[test]
fn what_is_not_read_is_refused_by_its_name() {
    for (text, told) in [
        ("RESET\nPRM host 1767225600 2026/01/01 00:00:00 60 7 (shop) S 4096 900000 90000 1\n", "`atop -P`"),
        ("AAA,progname,nmon\nAAA,version,16n\nZZZZ,T0001,00:00:00,01-JAN-2026\n", "it is of nmon"),
        (
            "               total        used        free      shared  buff/cache   available\nMem:            7962        1000        5000  \
             1         900        6500\nSwap:           2047           0        2047\n",
            "it is of `free`",
        ),
        ("Mem: 7962 1000 5000 1 900 6500\nMem: 7962 1001 5000 1 900 6500\n", "it is of `free`"),
        ("10:00:00 Mem: 7962 1000 5000 1 900 6500\n", "it is of `free`"),
        (
            "1767225600\n total used free shared buff/cache available\nMem: 7962 1000 5000 1 900 6500\n",
            "record `vmstat -t 60` or `sar -r 60`",
        ),
        (
            "{\"type\":\"Metric\",\"data\":{\"name\":\"http_reqs\"},\"metric\":\"http_reqs\"}\n{\"metric\":\"http_reqs\",\"type\":\"Point\",\
             \"data\":{\"time\":\"2026-01-01T00:00:00Z\",\"value\":1}}\n",
            "it is k6's record of requests",
        ),
        ("{\"sysstat\": {\"hosts\": []}}", "`sadf -j`"),
        ("{\"labels\": [\"time\", \"used\"], \"data\": [[1, 2]]}", "netdata"),
        ("{\"took\": 1, \"hits\": {\"hits\": []}}", "Elasticsearch"),
    ] {
        assert!(error(text).contains(told), "{text}: {}", error(text));
    }
    // Names that only look alike are columns.
    let rows: String = (0..30).map(|i| format!("{} 9000 1000 {}\n", 60 * i, 90_000)).collect();
    assert!(error(&format!("total used free rss_kib\n{rows}")).contains("`free`"));
    let rows: String = (0..30).map(|i| format!("{},9000,1000,90000\n", 60 * i)).collect();
    assert_eq!(read_text(&format!("time_s,total,used,rss_kib\n{rows}")).record.samples.len(), 30);
}

#[test]
fn one_count_beside_the_memory_of_many_is_no_worker() {
    let series = |name: &str, labels: &str, of: &dyn Fn(u64) -> u64| {
        let values: Vec<String> = (0..90).map(|i| format!("[{}, \"{}\"]", BEGIN + 60 * i, of(i))).collect();
        format!("{{\"metric\": {{\"__name__\": \"{name}\"{labels}}}, \"values\": [{}]}}", values.join(","))
    };
    let document = |all: &[String]| {
        format!(
            "{{\"status\": \"success\", \"data\": {{\"resultType\": \"matrix\", \"result\": [{}]}}}}",
            all.join(",")
        )
    };
    let memory = |pod: u64| {
        series("process_resident_memory_bytes", &format!(", \"svc\": \"a\", \"pod\": \"{pod}\""), &|i| {
            bytes(i) + 4096 * pod
        })
    };
    let mut all: Vec<String> = (0..8).map(memory).collect();
    for labels in ["", ", \"svc\": \"a\"", ", \"job\": \"lb\""] {
        all.push(series("http_requests_total", labels, &|i| 8000 * i));
        let table = read_text(&document(&all));
        assert_eq!(table.record.workers().len(), 8, "{labels}");
        assert!(!table.record.meta.counting.per_worker && table.record.load.iter().any(|load| load.sent > 0));
        all.pop();
    }
    // Of one process, it is its own.
    let one = document(&[memory(0), series("http_requests_total", "", &|i| 1000 * i)]);
    assert_eq!(read_text(&one).record.samples[3].requests, Some(3000));
    // Each of several goes with some.
    for code in [200, 500] {
        let labels = format!(", \"svc\": \"a\", \"code\": \"{code}\"");
        all.push(series("http_requests_total", &labels, &|i| 8000 * i));
    }
    assert!(error(&document(&all)).contains("add them up by the labels that memory has"), "{}", error(&document(&all)));
}

#[test]
fn what_a_filter_left_out_is_told() {
    let rows: String = (0..30).map(|i| format!("{},{},90000\n", 60 * i, ["a", "b", "c"][i % 3])).collect();
    let text = format!("time_s,pod,rss_kib\n{rows}");
    let with = |text: &str, filters: &[(&str, &str)]| {
        let filters = filters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        read(text.as_bytes(), "x", &Mapping { filters, ..Mapping::default() }).map_err(|error| error.to_string())
    };
    assert_eq!(
        with(&text, &[("pod", "d")]).unwrap_err(),
        "no row has what --where asks for: `pod` is `a`, `b`, `c`, and never `d`"
    );
    assert!(with(&text, &[("pod", "a"), ("time_s", "60")]).unwrap_err().contains("at once"));
    assert!(with(&text, &[("pod", "a")]).is_ok());
    let metrics = "mem{pod=\"a\"} 1e8 1\nmem{pod=\"b\"} 1e8 2\n";
    assert_eq!(
        with(metrics, &[("pod", "d")]).unwrap_err(),
        "no series has what --where asks for: `pod` is `a`, `b`, and never `d`"
    );
    assert!(with(metrics, &[("job", "d")]).unwrap_err().contains("`job` is none at all"));
}

#[test]
fn an_option_that_takes_the_clock_is_told() {
    let told = |options: &[(&str, &str)], head: &str| {
        let rows: String = (0..30).map(|i| format!("{},90000\n", 60 * i)).collect();
        let mut mapping = Mapping { memory_unit: Some(1024), ..Mapping::default() };
        for (option, value) in options {
            let value = Some((*value).to_owned());
            *(if *option == "memory" { &mut mapping.memory } else { &mut mapping.load }) = value;
        }
        read(format!("{head}\n{rows}").as_bytes(), "x", &mapping).unwrap_err().to_string()
    };
    for (option, head, name) in [("memory", "time,rss", "time"), ("load", "elapsed_s,rss", "elapsed_s")] {
        let told = told(&[(option, name)], head);
        assert!(told.contains(&format!("`{name}`, which may be the clock, is taken by --{option}")), "{told}");
    }
}

#[test]
fn days_since_1970_are_understood_or_asked_about() {
    let text = |name: &str, of: &dyn Fn(u64) -> String| {
        let rows: String = (0..90).map(|i| format!("{},{}\n", of(i), bytes(i) / 1024)).collect();
        format!("{name},rss_kib\n{rows}")
    };
    let asked = |text: &str| error(text).contains("nothing says their unit: give it with --time-unit");
    assert!(asked(&text("time", &|i| (20_000 + i).to_string())));
    assert!(asked(&text("date", &|i| format!("{:.1}", 20_000.0 + i as f64 / 10.0))));
    let hours = read_text(&text("date", &|i| format!("{}", 20_000.0 + i as f64 / 24.0)));
    assert!((hours.record.meta.elapsed.unwrap() - 89.0 * 3600.0).abs() < 1.0);
    let told = read_text(&text("timestamp", &|i| format!("{:.9}", 20_454.0 + i as f64 / 1440.0)));
    assert!((told.record.meta.elapsed.unwrap() - 89.0 * 60.0).abs() < 1.0);
    let said = Mapping { time_unit: Some(86_400.0), ..Mapping::default() };
    let table = read(text("time", &|i| (20_000 + i).to_string()).as_bytes(), "x", &said).unwrap();
    assert_eq!(table.record.meta.elapsed, Some(89.0 * 86_400.0));
}

#[test]
fn who_was_there_at_first_was_not_born_then() {
    // Twelve workers that were there, and are bigger the later they are named, and one that is born.
    let mut text = "time_s,pid,rss_kib\n".to_owned();
    for i in 0..60u64 {
        for pid in 0..12u64 {
            text.push_str(&format!("{},{},{}\n", 60 * i + pid, 100 + pid, 50_000 + 5000 * pid + (i + pid) * 7919 % 41));
        }
    }
    let table = read_text(&text);
    assert_eq!(table.record.meta.understood.as_ref().unwrap().there_before.len(), 12);
    let mut record = table.record;
    record.meta.budgets = usual_budgets(&record);
    assert_eq!(verdict::judge(&record).outcome, Outcome::Clean);
    // Nor was who is seen late, and began before.
    let mut text = "timestamp,pid,start,rss_kib\n".to_owned();
    for i in 0..60u64 {
        for (pid, start, seen) in [(7, BEGIN - 500, 0), (8, BEGIN - 400, 20), (9, BEGIN + 1200, 20)] {
            if i >= seen {
                text.push_str(&format!("{},{pid},{start},{}\n", BEGIN + 60 * i, 50_000 + i * 7919 % 41));
            }
        }
    }
    let before: Vec<u32> =
        read_text(&text).record.meta.understood.unwrap().there_before.iter().map(|worker| worker.pid).collect();
    assert_eq!(before, [7, 8]);
}

#[test]
fn each_of_many_workers_that_leaks_is_named() {
    let mut text = "time_s,pod,rss_kib\n".to_owned();
    for i in 0..90u64 {
        for pod in 0..30u64 {
            let grows = if pod % 6 == 5 { 200 * i } else { 0 };
            text.push_str(&format!("{},web-{pod:02}-x,{}\n", 60 * i, 180_000 + grows + (i + pod) * 7919 % 97));
        }
    }
    let mut record = read_text(&text).record;
    record.meta.budgets = usual_budgets(&record);
    let notes = crate::words::notes(&verdict::judge(&record)).join("\n");
    for pod in [5, 11, 17, 23, 29] {
        assert!(notes.contains(&format!("web-{pod:02}-x (PID {})", pod + 1)), "{notes}");
    }
    assert!(!notes.contains("web-04-x"), "{notes}");
}
