//! What can't be read as what it was meant: each refusal says what it is, and what to do; what had no effect is told.

use super::*;

fn mapped(text: &str, mapping: Mapping) -> Result<Table, TableError> {
    read(text.as_bytes(), "x.csv", &mapping)
}

#[test]
fn what_is_packed_otherwise_is_refused_by_name() {
    for (begin, told) in [
        (&b"\xfd7zXZ\0\0\x04"[..], "it is packed by xz: xz -dc FILE | seepage analyze -"),
        (b"BZh91AY&SY", "it is packed by bzip2: bzip2 -dc"),
        (b"\x04\x22\x4d\x18\x64\x40", "it is packed by lz4: lz4 -dc"),
        (b"PK\x03\x04\x14\0", "a spreadsheet (.xlsx, .ods) is saved as CSV first"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "7z x -so"),
        (b"\x1f\x8b\x08\0", "gzip twice"),
    ] {
        let error = read(begin, "x", &Mapping::default()).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
    let mut tar = vec![0u8; 512];
    tar[257..262].copy_from_slice(b"ustar");
    assert!(read(&tar[..], "x", &Mapping::default()).unwrap_err().to_string().contains("archive of tar"));
}

#[test]
fn a_share_is_no_size() {
    for name in ["%MEM", "pmem", "mem_percent", "Memory %", "MemPerc", "memory_utilization"] {
        for mapping in [
            Mapping::default(),
            Mapping { memory: Some(name.into()), memory_unit: Some(1 << 20), ..Mapping::default() },
        ] {
            let text = format!("time_s,{name}\n0,1.5\n60,1.6\n120,1.7\n");
            let error = mapped(&text, mapping).unwrap_err().to_string();
            assert!(error.contains(&format!("column `{name}` is a share")) && error.contains("ps -o rss"), "{error}");
        }
    }
    let beside = read_text("time_s,%MEM,%CPU,RSS (KiB)\n0,1.5,3,90000\n60,1.6,3,90000\n");
    assert_eq!(beside.record.samples[0].anon, Some(90_000 << 10));
}

#[test]
fn a_column_without_a_value_is_named() {
    for (head, row, told) in [
        ("time_s,rss_kb", ",", "column `rss_kb` has no value in any row: choose another with --memory"),
        ("time_s,rss_kb,fds", ",,7", "column `rss_kb` has no value"),
        (
            "time_s,rss_kb,swap_kb",
            ",90000,",
            "column `swap_kb` has no value in any row: choose another with --swap, or say by --swap none",
        ),
        ("time_s,rss_kb,requests", ",90000,", "column `requests` has no value"),
    ] {
        let rows: String = (0..30).map(|i| format!("{}{row}\n", 60 * i)).collect();
        let error = error(&format!("{head}\n{rows}"));
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn a_comma_in_a_heading_is_no_delimiter() {
    for delimiter in [";", "\t"] {
        let head = ["time, in s", "memory (RSS, in KiB), of pod a", "swap_kib"].join(delimiter);
        let rows: String = (0..30).map(|i| [format!("{i}"), "90000,5".into(), "0\n".into()].join(delimiter)).collect();
        let mapping = Mapping {
            time: Some("time, in s".into()),
            memory: Some("memory (RSS, in KiB), of pod a".into()),
            memory_unit: Some(1024),
            decimal: Some(Decimal::Comma),
            ..Mapping::default()
        };
        let table = mapped(&format!("{head}\n{rows}"), mapping).unwrap();
        assert_eq!(table.record.samples[0].anon, Some(92_160_512));
    }
    // And a semicolon in one isn't, either.
    let rows: String = (0..30).map(|i| format!("{i},90000\n")).collect();
    let mapping = Mapping { memory: Some("rss; all; of; it".into()), memory_unit: Some(1024), ..Mapping::default() };
    assert!(mapped(&format!("time_s,rss; all; of; it\n{rows}"), mapping).is_ok());
}

#[test]
fn a_log_is_told_from_json() {
    for line in ["[2026-01-01 00:00:00] rss=90000", "[2026-01-01T00:00:00Z] INFO rss 90000", "[12345.678] rss 90000"] {
        let error = error(&format!("{line}\n{line}\n"));
        assert!(
            error.starts_with("line 1: expected a line with the names of the columns, found `[")
                && !error.contains("JSON"),
            "{error}"
        );
    }
    assert_eq!(
        read_text("[\n{\"time_s\": 0, \"rss_kib\": 90000},\n{\"time_s\": 60, \"rss_kib\": 90000}]")
            .record
            .samples
            .len(),
        2
    );
    assert_eq!(rows(&read_text("[time_s],[rss_kib]\n0,90000\n60,90000\n")).len(), 2);
}

#[test]
fn threads_of_top_and_active_pages_of_vmstat_are_refused_by_name() {
    let top = "top - 10:00:00 up 1 day,  1:00,  1 user,  load average: 0.1, 0.1, 0.1\nThreads:   4 total,   1 running\n\n    PID USER  PR  NI    \
               VIRT    RES    SHR S  %CPU  %MEM     TIME+ COMMAND\n   101 a  20   0  900000  90000  900 S   0.0   0.1   0:00.01 shop\n";
    assert!(error(top).contains("`top -H`") && error(top).contains("record `top -b` without -H"), "{}", error(top));
    let vmstat = "procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu----- -----timestamp-----\n r  b   swpd   free  inact \
                  active   si   so    bi    bo   in   cs us sy id wa st                 UTC\n 1  0      0 9000000 800000 700000    0    0     0     0  \
                  10   20  1  1 98  0  0 2026-01-01 10:00:00\n";
    assert!(error(vmstat).contains("record `vmstat -t` without -a"), "{}", error(vmstat));
}

#[test]
fn an_option_that_had_no_effect_is_told() {
    let text: String = (0..30).map(|i| format!("2026-01-01T00:{i:02}:00Z,90000\n")).collect();
    let text = format!("time,rss_kib\n{text}");
    let notes = |mapping: Mapping| mapped(&text, mapping).unwrap().notes.join("\n");
    let no_effect = |option: &str, mapping: Mapping| {
        let told = notes(mapping);
        assert!(told.contains(&format!("{option} had no effect: ")), "{told}");
    };
    no_effect("--time-unit", Mapping { time_unit: Some(1e-3), ..Mapping::default() });
    no_effect("--requests-are", Mapping { requests_are: Some(RequestsAre::Interval), ..Mapping::default() });
    no_effect("--decimal", Mapping { decimal: Some(Decimal::Comma), ..Mapping::default() });
    assert!(!notes(Mapping::default()).contains("no effect"));
    let decides = Mapping { decimal: Some(Decimal::Comma), ..Mapping::default() };
    let table = mapped("time_s;rss_kib\n0;90.000\n60;90.001\n", decides).unwrap();
    assert!(!table.notes.join("\n").contains("no effect"), "{:?}", table.notes);
}

#[test]
fn what_cadvisor_names_without_a_unit_is_bytes() {
    let point =
        |i: u64| format!("container_memory_rss{{pod=\"a\"}} {} {}\n", 200_000_000 + i * 4096, 1_796_029_200 + 30 * i);
    let text: String = (0..60).map(point).collect();
    let table = read_text(&format!("# TYPE container_memory_rss gauge\n{text}# EOF\n"));
    assert_eq!(table.record.samples[0].anon, Some(200_000_000));
}

#[test]
fn what_counts_pages_and_what_is_pairs_of_names_and_values_is_refused() {
    let statm = "time size resident shared text lib data dt\n0 220000 50000 2000 100 0 80000 0\n60 220000 50000 2000 100 0 80000 0\n";
    for unit in [None, Some(1024)] {
        let told = mapped(statm, Mapping { memory_unit: unit, ..Mapping::default() }).unwrap_err().to_string();
        assert!(told.contains("/proc/PID/statm, which counts pages"), "{told}");
    }
    for line in ["time=2026-01-01T00:00:00Z,level=info,rss=209715200", "10:00:00;pid=7;rss=209715200"] {
        let told = error(&format!("{line}\n{line}\n"));
        assert!(told.contains("found pairs of names and values") && told.contains("as JSON"), "{told}");
    }
}

#[test]
fn names_of_two_words_in_loops_around_tools_are_one_column() {
    let crictl = |i: u64| {
        format!(
            "2026-01-01T00:{:02}:00Z\nCONTAINER           NAME      CPU %     MEM         DISK      INODES\na1b2c3d4e5f67       shop      1.20      \
             {}.5MB     49.15kB   20\n",
            i,
            200 + i
        )
    };
    let text: String = (0..30).map(crictl).collect();
    assert_eq!(read_text(&text).record.samples[1].anon, Some(201 * (1 << 20) + (1 << 19)));
}
