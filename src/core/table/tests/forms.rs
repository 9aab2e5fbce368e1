//! Files of every form that hold the same readings.

use super::*;

/// What is written of the reading with this number.
type Written<'a> = &'a dyn Fn(u64) -> String;

/// A reading a minute: half a MiB more each time, and a little noise.
fn kib(i: u64) -> u64 {
    90_000 + 512 * i + i * 37 % 5
}

/// A worker's readings, as a CSV has them.
fn plain(count: u64) -> Table {
    let mut text = "time_s,rss_kib\n".to_owned();
    (0..count).for_each(|i| text.push_str(&format!("{},{}\n", 60 * i, kib(i))));
    read_text(&text)
}

fn with(text: &str, mapping: Mapping) -> Table {
    read(text.as_bytes(), "x", &mapping).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

fn date(i: u64) -> String {
    format!("2026-01-01T{:02}:{:02}:00", i / 60, i % 60)
}

/// How a quantity was understood.
fn how(table: &Table, what: &str) -> String {
    let understood = table.record.meta.understood.as_ref().unwrap();
    understood.taken.iter().find(|taken| taken.what == what).unwrap_or_else(|| panic!("{understood:?}")).how.clone()
}

#[test]
fn every_way_to_write_a_time_gives_the_same_readings() {
    let midnight = 1_767_225_600u64;
    let ways: [(&str, Written, &str); 9] = [
        ("timestamp", &|i| (midnight + 60 * i).to_string(), "Unix time in s, by its size"),
        ("ts", &|i| (1000 * (midnight + 60 * i)).to_string(), "Unix time in ms, by its size"),
        ("ts", &|i| format!("{}000000", midnight + 60 * i), "Unix time in us, by its size"),
        ("Time", &|i| format!("{}000000000", midnight + 60 * i), "Unix time in ns, by its size"),
        ("t_min", &|i| i.to_string(), "in min"),
        ("date", &|i| format!("{}Z", date(i)), "dates"),
        ("date", &|i| format!("{}+02:00", date(i).replace('T', " ")), "dates"),
        ("time", &|i| format!("{:02}:{:02}:30", (23 + i / 60) % 24, i % 60), "times of day, counted on over midnight"),
        ("Date", &|i| format!("{:.9}", 46_023.0 + i as f64 / 1440.0), "Excel's days, by its size"),
    ];
    for (name, written, understood) in ways {
        let mut text = format!("{name},rss_kib\n");
        (0..100).for_each(|i| text.push_str(&format!("{},{}\n", written(i), kib(i))));
        let table = read_text(&text);
        assert_eq!(how(&table, "time"), understood);
        let (ours, wanted) = (rows(&table), rows(&plain(100)));
        for (ours, wanted) in ours.iter().zip(&wanted) {
            assert!(
                (ours.0 - wanted.0).abs() < 1e-3 && ours.1 == wanted.1,
                "{name}, {understood}: {ours:?} {wanted:?}"
            );
        }
        assert_eq!(ours.len(), wanted.len());
    }
}

#[test]
fn rows_may_stand_in_any_order() {
    for (name, written, said) in
        [("time_s", 0u64, "the newest first"), ("timestamp", 1_767_225_600, "the newest first")]
    {
        let mut text = format!("{name},rss_kib\n");
        (0..60).rev().for_each(|i| text.push_str(&format!("{},{}\n", written + 60 * i, kib(i))));
        let table = read_text(&text);
        assert_eq!(rows(&table), rows(&plain(60)), "{name}");
        assert!(table.notes.iter().any(|note| note.contains(said)), "{:?}", table.notes);
        let mut text = format!("{name},rss_kib\n");
        (0..60).map(|i| i * 17 % 60).for_each(|i| text.push_str(&format!("{},{}\n", written + 60 * i, kib(i))));
        let table = read_text(&text);
        assert_eq!(rows(&table), rows(&plain(60)), "{name}");
        assert!(table.notes.iter().any(|note| note.contains("put in the order of time")), "{:?}", table.notes);
    }
}

#[test]
fn sizes_with_units_are_read_as_they_are_written() {
    let ways: [(Written, u64); 4] = [
        (&|i| format!("{}.50KiB / 12GiB", kib(i)), 512),
        (&|i| format!("{}Ki", kib(i)), 0),
        (&|i| format!("{} kB", kib(i)), 0),
        (&|i| format!("\"{}B\"", 1024 * kib(i)), 0),
    ];
    for (written, more) in ways {
        let mut text = "time_s,memory\n".to_owned();
        (0..30).for_each(|i| text.push_str(&format!("{},{}\n", 60 * i, written(i))));
        let table = read_text(&text);
        let read: Vec<_> = rows(&table).iter().map(|row| row.1.unwrap()).collect();
        assert_eq!(read, (0..30).map(|i| 1024 * kib(i) + more).collect::<Vec<_>>(), "{text}");
        assert!(how(&table, "memory").contains("in the units that are written, as in"), "{}", how(&table, "memory"));
    }
    let mixed = error("time_s,memory\n0,1 MiB\n1,1 MiB\n2,5\n");
    assert!(mixed.contains("line 4: column `memory`: expected a size with its unit, as other rows have"), "{mixed}");
}

#[test]
fn thousands_are_asked_about_where_they_may_be_fractions() {
    let text = "time_s;rss_kib\n0;184.378\n60;185.001\n";
    assert!(error(text).contains("`184.378` may be 184378 or 184.378"), "{}", error(text));
    let comma = Mapping { decimal: Some(Decimal::Comma), ..Mapping::default() };
    assert_eq!(rows(&with(text, comma))[0].1, Some(184_378 * 1024));
    let point = Mapping { decimal: Some(Decimal::Point), ..Mapping::default() };
    assert_eq!(rows(&with(text, point))[0].1, Some(188_803));
    let table = read_text("time_s,rss_kib\n0,\"184,378\"\n60,\"1,184,378\"\n");
    assert_eq!(rows(&table)[1].1, Some(1_184_378 * 1024));
    assert!(how(&table, "numbers").contains("commas part thousands, as in `184,378`"));
}

#[test]
fn comments_and_the_spreadsheet_s_line_are_no_rows() {
    let wanted = rows(&plain(3));
    for head in ["sep=,\ntime_s,rss_kib\n", "# from host a\n#\nsep=,\n\ntime_s,rss_kib\n", "# time_s,rss_kib\n"] {
        let text = format!("{head}0,{}\n# pause\n60,{}\n120,{}\n", kib(0), kib(1), kib(2));
        assert_eq!(rows(&read_text(&text)), wanted, "{text}");
    }
    let bad = error("# a\nsep=;\ntime_s;rss_kib\n0;1\n# b\n1;x\n");
    assert!(bad.starts_with("line 6: column `rss_kib`"), "{bad}");
}

#[test]
fn any_line_end_will_do_and_names_may_come_again() {
    let text = format!("time_s,rss_kib\n0,{}\n60,{}\ntime_s,rss_kib\n120,{}\n", kib(0), kib(1), kib(2));
    for end in ["\n", "\r\n", "\r"] {
        assert_eq!(rows(&read_text(&text.replace('\n', end))), rows(&plain(3)), "{end:?}");
    }
}

#[test]
fn names_that_come_again_may_be_written_otherwise_and_must_be_the_same() {
    let again = |names: &str, rest: &str| format!("time_s,rss_kib\n0,{}\n60,{}\n{names}\n{rest}\n", kib(0), kib(1));
    let last = format!("120,{}", kib(2));
    for names in ["\u{feff}time_s,rss_kib", "\"Time s\", RSS (KiB)", "sep=,\ntime_s,rss_kib"] {
        assert_eq!(rows(&read_text(&again(names, &last))), rows(&plain(3)), "{names}");
    }
    for names in ["rss_kib,time_s", "time_s,rss_kib,fds", "time_s,memory"] {
        let wrong = error(&again(names, "1,2"));
        assert!(wrong.starts_with("line 4: the names of columns come again, and are others"), "{names}: {wrong}");
        assert!(wrong.contains("judge the files that were put together one by one"), "{wrong}");
    }
    let glued = error(&format!("time_s,rss_kib\n0,1\n60,{}time_s,rss_kib\n{last}\n", kib(1)));
    assert!(glued.starts_with("line 3: the names of columns come again in the middle of a line"), "{glued}");
    // Names that begin with a digit, and words that are no names.
    let digits = "5m,rss_kib\n0,100\n5m,rss_kib\n60,200\n";
    let mapping = Mapping { time: Some("5m".into()), time_unit: Some(1.0), ..Mapping::default() };
    assert_eq!(read(digits.as_bytes(), "x", &mapping).unwrap().record.samples.len(), 2);
    assert!(error("time_s,rss_kib\n0,1\nx,y\n").starts_with("line 3: column `time_s`"));
}

#[test]
fn lists_and_rows_of_json_may_follow_one_another() {
    let row = |i: u64| format!("{{\"time_s\": {}, \"rss_kib\": {}}}", 60 * i, kib(i));
    let text = format!("[{},{}]\n[{}]\n{}\n[]", row(0), row(1), row(2), row(3));
    assert_eq!(rows(&read_text(&text)), rows(&plain(4)));
    assert!(error(&format!("[{}]\n[1]", row(0))).contains("expected an object such as"));
}

#[test]
fn days_that_were_put_together_follow_one_another_or_are_refused() {
    // As `pidstat -r` and `sar -r` of sysstat 12.6.1 print their first line, with the date as the locale has it.
    let part = |date: &str, from: u64, to: u64| {
        let time = |i: u64| format!("{:02}:{:02}:00", i / 60 % 24, i % 60);
        let row = |i: u64| {
            format!("{}        0        77      0.00      0.00  500000  {}   0.04  python3\n", time(i), kib(i))
        };
        format!(
            "Linux 6.1.0 (host) \t{date} \t_x86_64_\t(2 CPU)\n\n{}      UID       PID  minflt/s  majflt/s     VSZ     RSS   %MEM  Command\n{}\n",
            time(from),
            (from..to).map(row).collect::<String>()
        )
    };
    let hours = |text: &str| {
        let read = rows(&read_text(text));
        (read.last().unwrap().0 - read[0].0) / 3600.0
    };
    let (first, day) = (part("11/30/26", 20 * 60, 24 * 60), 24 * 60);
    for date in ["12/01/26", "12/01/2026", "01.12.2026", "2026-12-01"] {
        let before = match date {
            "12/01/26" => first.clone(),
            "12/01/2026" => first.replace("11/30/26", "11/30/2026"),
            "01.12.2026" => first.replace("11/30/26", "30.11.2026"),
            _ => first.replace("11/30/26", "2026-11-30"),
        };
        assert!((hours(&format!("{before}{}", part(date, day, day + 60))) - 5.0).abs() < 0.1, "{date}");
    }
    // Days in another order, another part of the same day, and one that ran over midnight.
    assert!((hours(&format!("{}{first}", part("12/01/26", day, day + 60))) - 5.0).abs() < 0.1);
    assert!((hours(&format!("{first}{}", part("11/30/26", 23 * 60 + 30, day))) - 4.0).abs() < 0.1);
    let over = part("11/30/26", 20 * 60, day + 60);
    assert!((hours(&format!("{over}{}", part("12/01/26", day + 120, day + 180))) - 7.0).abs() < 0.1);
    for (what, text) in [
        ("a later hour of the next day", format!("{first}{}", part("12/01/26", 23 * 60 + 30, day))),
        ("a day is missing", format!("{first}{}", part("12/02/26", day, day + 60))),
    ] {
        let wrong = error(&text);
        assert!(wrong.starts_with("line ") && wrong.contains("which doesn't follow from"), "{what}: {wrong}");
    }
}

#[test]
fn words_between_spaces_are_a_table() {
    let text = format!(
        "time_s   rss_kib cmd\n  0 {} a b\ntime_s rss_kib cmd\n 60   {} a\n120 {} a b c\n",
        kib(0),
        kib(1),
        kib(2)
    );
    assert_eq!(rows(&read_text(&text)), rows(&plain(3)));
    assert!(error("time_s rss_kib\n0 1 2\n").starts_with("line 2: expected 2 fields"));
}

#[test]
fn loops_around_tools_have_a_time_above_each_table() {
    // As `date; ps -o pid,rss,time,args` of procps-ng 4.0.2 prints it.
    let ps = |i: u64| {
        let rss = kib(i);
        format!("Mon Nov 30 19:{i:02}:11 UTC 2026\n  PID   RSS     TIME COMMAND\n31802 {rss:>5} 00:00:00 sleep 300\n")
    };
    // As `top -b` of the same prints it.
    let top = |i: u64| {
        format!(
            "top - 19:{i:02}:15 up  1:00,  0 user,  load average: 7.34, 7.10, 7.02\n\
             Tasks:   1 total,   0 running,   1 sleeping,   0 stopped,   0 zombie\n\
             %Cpu(s):  0.0 us,  0.0 sy,  0.0 ni,100.0 id,  0.0 wa,  0.0 hi,  0.0 si,  0.0 st \n\
             MiB Mem :  24105.6 total,   7653.6 free,   1632.3 used,  15194.3 buff/cache     \n\
             MiB Swap:      0.0 total,      0.0 free,      0.0 used.  22473.3 avail Mem \n\n    \
             PID USER      PR  NI    VIRT    RES    SHR S  %CPU  %MEM     TIME+ COMMAND\n  \
             31802 root      20   0    2920   {}   1672 S   0.0   0.0   0:00.00 sleep\n\n",
            kib(i)
        )
    };
    // As `date +%s; docker stats --no-stream` prints it by its documentation; not recorded.
    let docker = |i: u64| {
        format!(
            "{}\nCONTAINER ID   NAME   CPU %   MEM USAGE / LIMIT   MEM %   NET I/O   BLOCK I/O   PIDS\nb95a83497c91   web-1   \
             0.28%   {}KiB / 1.952GiB   0.27%   916B / 0B   147kB / 0B   9\n",
            1_767_225_600 + 60 * i,
            kib(i)
        )
    };
    // The same with `--format '{{json .}}'`; not recorded.
    let docker_json = |i: u64| {
        format!(
            "{}\n{{\"BlockIO\":\"147kB / 0B\",\"CPUPerc\":\"0.28%\",\"Container\":\"b95a83497c91\",\"ID\":\"b95a83497c91\",\
             \"MemPerc\":\"0.27%\",\"MemUsage\":\"{}KiB / 1.952GiB\",\"Name\":\"web-1\",\"NetIO\":\"916B / 0B\",\"PIDs\":\"9\"}}\n",
            1_767_225_600 + 60 * i,
            kib(i)
        )
    };
    // As `date; kubectl top pod` prints it by its documentation; not recorded.
    let kubectl =
        |i: u64| format!("{}Z\nNAME    CPU(cores)   MEMORY(bytes)\nweb-1   1m           {}Ki\n", date(i), kib(i));
    let started = |i: u64| {
        format!(
            "{}\n    PID                  STARTED   RSS CMD\n   1784 Thu Jan  1 00:00:00 2026 {} sleep 1\n",
            1_767_225_600 + 60 * i,
            kib(i)
        )
    };
    let tools: [(&str, Written, &str); 6] = [
        ("ps with lstart", &started, "resident memory, in KiB"),
        ("ps", &ps, "resident memory, in KiB"),
        ("top", &top, "resident memory, in KiB"),
        ("docker", &docker, "working set memory, in the units"),
        ("docker, as JSON", &docker_json, "working set memory, in the units"),
        ("kubectl", &kubectl, "of a kind that its name doesn't say, in the units that are written, as in `90000Ki`"),
    ];
    for (tool, printed, understood) in tools {
        let table = read_text(&(0..30).map(printed).collect::<String>());
        assert_eq!(rows(&table), rows(&plain(30)), "{tool}");
        assert!(how(&table, "memory").starts_with(understood), "{tool}: {}", how(&table, "memory"));
    }
    assert!(
        error("19:00:00\n1784\n").starts_with("line 2: expected a line with the names of the columns below the time")
    );
    for row in ["root 25193 0.7 0.1 20000 1784 pts/0 S 10:00 0:01 app", "  25193 1784 app"] {
        assert!(error(&format!("19:00:00\n{row}\n")).contains("such as `PID RSS COMMAND`"), "{row}");
    }
    assert!(error("19:00:00\n").contains("no line with the names of columns below"));
}

#[test]
fn utf_16_is_read() {
    let text = "\u{feff}time_s;rss_kib;größe\r\n0;90000;1\r\n60;90519;1\r\n";
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(rows(&read(&bytes[..], "x", &Mapping::default()).unwrap()).len(), 2);
}

#[test]
fn a_last_line_without_an_end_is_left_out_where_it_may_be_torn() {
    let whole: String = (0..30).map(|i| format!("{},{}\n", 60 * i, kib(i))).collect();
    for torn in ["1800,19", "1800", "18", "1800,"] {
        let table = read_text(&format!("time_s,rss_kib\n{whole}{torn}"));
        assert_eq!(rows(&table), rows(&plain(30)), "{torn}");
        assert!(table.notes.iter().any(|note| note.starts_with("line 32, the last, has no end")), "{:?}", table.notes);
    }
    let table = read_text("time_s,rss_kib\n0,100\n60,101");
    assert_eq!((rows(&table).len(), table.notes.len()), (2, 1), "short, and as long as the row before");
    assert_eq!(rows(&read_text("time_s,rss_kib\n0,100\n60,10")).len(), 1);
    let lines: String = (0..3).map(|i| format!("{{\"time_s\": {i}, \"rss_kib\": 500}}\n")).collect();
    let table = read_text(&format!("{lines}{{\"time_s\": 3, \"rss"));
    assert_eq!(rows(&table).len(), 3);
    assert!(table.notes.iter().any(|note| note.starts_with("line 4, the last, has no end")), "{:?}", table.notes);
}

#[test]
fn json_has_an_object_a_row() {
    let object = |i: u64| {
        format!("{{\"at\": \"x\", \"ts\": \"{}Z\", \"m\": {{\"rss\": {{\"kib\": {}}}, \"l\": [1]}}}}", date(i), kib(i))
    };
    let lines: String = (0..30).map(|i| object(i) + "\n").collect();
    let array = format!("[{}]", (0..30).map(object).collect::<Vec<_>>().join(",\n "));
    for text in [lines, array] {
        let table = with(&text, Mapping { memory: Some("m.rss.kib".into()), ..Mapping::default() });
        assert_eq!(rows(&table), rows(&plain(30)));
        let unused = &table.record.meta.understood.as_ref().unwrap().unused;
        assert_eq!(unused, &["at"]);
    }
    assert!(error("{\"time_s\": 1,, }").starts_with("line 1: expected JSON, one object a row"));
    assert!(error("[1, 2]").contains("expected an object"));
}

/// What Prometheus answers of two instances.
fn answer(metric: &str) -> String {
    let series = |instance: &str, leaks: u64| {
        let values: Vec<String> =
            (0..30).map(|i| format!("[{}, \"{}\"]", 1_767_225_600 + 60 * i, 1024 * kib(i * leaks))).collect();
        let metric = format!("{{\"__name__\": \"{metric}\", \"instance\": \"{instance}\", \"job\": \"web\"}}");
        format!("{{\"metric\": {metric}, \"values\": [{}]}}", values.join(","))
    };
    let result = [series("a:1", 1), series("b:1", 0)].join(",");
    format!("{{\"status\": \"success\", \"data\": {{\"resultType\": \"matrix\", \"result\": [{result}]}}}}")
}

#[test]
fn what_prometheus_answers_is_read() {
    let table = read_text(&answer("process_resident_memory_bytes"));
    assert_eq!((table.record.workers().len(), table.record.samples.len()), (2, 60));
    assert_eq!(how(&table, "memory"), "resident memory, in bytes");
    assert_eq!(how(&table, "workers"), "2 workers; below, PID 1 is instance=a:1, PID 2 is instance=b:1");
    let one = Mapping { filters: vec![("instance".into(), "a:1".into())], ..Mapping::default() };
    assert_eq!(rows(&with(&answer("process_resident_memory_bytes"), one)), rows(&plain(30)));
    let none = Mapping { filters: vec![("instance".into(), "c".into())], ..Mapping::default() };
    assert!(
        read(answer("x_bytes").as_bytes(), "x", &none)
            .unwrap_err()
            .to_string()
            .contains("no series has what --where asks for")
    );
    let failed = "{\"status\": \"error\", \"errorType\": \"bad_data\", \"error\": \"parse error\"}";
    assert_eq!(error(failed), "it is an error of Prometheus: parse error");
    let moment = "{\"status\": \"success\", \"data\": {\"resultType\": \"vector\", \"result\": []}}";
    assert!(error(moment).contains("expected Prometheus' answer to `query_range`"));
}

#[test]
fn of_hundreds_of_metrics_those_are_read_whose_names_are_known() {
    let mut text = String::new();
    for i in 0..30 {
        let t = 1000 * (1_767_225_600 + 60 * i);
        (0..150).for_each(|m| text.push_str(&format!("{{__name__=\"x_{m}\",le=\"{m}\"}} 1 {t}\n")));
        text.push_str(&format!("{{__name__=\"process_resident_memory_bytes\"}} {} {t}\n", 1024 * kib(i)));
    }
    let table = read_text(&text);
    assert_eq!(rows(&table), rows(&plain(30)));
    let told = "it has more than 100 metrics: 1500 points of others";
    assert!(table.notes.iter().any(|note| note.starts_with(told)), "{:?}", table.notes);
}

#[test]
fn metrics_in_text_need_their_times() {
    let metric = "process_resident_memory_bytes{instance=\"a \\\"x\\\"\"}";
    for (k, unit) in [(1, "s"), (1000, "ms")] {
        let mut text = "# HELP process_resident_memory_bytes x\n".to_owned();
        for i in 0..30 {
            let t = (1_767_225_600 + 60 * i) * k;
            text.push_str(&format!(
                "{metric} {} {t}\nprocess_open_fds{{instance=\"a \\\"x\\\"\"}} 7 {t}\n",
                1024 * kib(i)
            ));
        }
        let table = read_text(&text);
        assert_eq!(rows(&table), rows(&plain(30)));
        assert_eq!(
            (table.record.samples[3].fds, how(&table, "time")),
            (Some(7), format!("Unix time in {unit}, by its size"))
        );
    }
    assert!(error(&format!("{metric} 5\n")).starts_with("line 1: the metric has no time"));
    assert!(error(&format!("{metric} 5 6\nwhat\n")).starts_with("line 2: expected a metric, its value and its time"));
}

#[test]
fn rows_are_chosen_by_their_values() {
    let mut text = "timestamp,metric,value\n".to_owned();
    for i in 0..30u64 {
        let t = 1_767_225_600 + 60 * i;
        text.push_str(&format!("{t},rss,{}\n{t},cpu,{}\n", kib(i), i % 3));
    }
    let mapping = Mapping { memory: Some("value".into()), memory_unit: Some(1024), ..Mapping::default() };
    let asked = read(text.as_bytes(), "x", &mapping).unwrap_err().to_string();
    assert!(asked.contains("rows have the same time as another") && asked.contains("one of `metric`?"), "{asked}");
    let table = with(&text, Mapping { filters: vec![("Metric".into(), "rss".into())], ..mapping });
    assert_eq!(rows(&table), rows(&plain(30)));
    assert_eq!(how(&table, "rows"), "only those with `rss`");
}

#[test]
fn each_column_may_be_a_worker() {
    let mut text = "time_s,pod-a,pod-b,cpu\n".to_owned();
    (0..30).for_each(|i| text.push_str(&format!("{},{},,1\n", 60 * i, kib(i))));
    let table = with(&text, Mapping { memory: Some("pod-*".into()), memory_unit: Some(1024), ..Mapping::default() });
    assert_eq!(rows(&table), rows(&plain(30)));
    assert_eq!(how(&table, "memory"), "of a kind that its name doesn't say, in KiB, each column a worker");
    let bytes = Mapping { memory_unit: Some(1), ..Mapping::default() };
    let refused = read(text.as_bytes(), "x", &bytes).unwrap_err().to_string();
    assert!(
        refused.contains("column `cpu` has `cpu` in its name: it may be no process as the others are"),
        "{refused}"
    );
}

#[test]
fn times_are_numbers_as_the_others_are() {
    let text = "time_s;rss_kib\n0;90000\n999;90001\n1.998;90002\n";
    assert!(error(text).contains("column `time_s`: `1.998` may be 1998 or 1.998"), "{}", error(text));
    let comma = Mapping { decimal: Some(Decimal::Comma), ..Mapping::default() };
    assert_eq!(rows(&with(text, comma)).iter().map(|row| row.0).collect::<Vec<_>>(), [0.0, 999.0, 1998.0]);
}
