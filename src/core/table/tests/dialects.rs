//! What the same tools print with other options, in other languages, and of processes that are old.

use super::*;

/// Reads a text that holds 120 readings, one a minute, of a process that grows by 6 MiB an hour, and the last one.
fn grows(text: &str) {
    let table = read(text.as_bytes(), "x", &Mapping::default()).unwrap_or_else(|error| panic!("{error}\n{text:.300}"));
    let (first, last) = (&table.record.samples[0], &table.record.samples[119]);
    assert_eq!(table.record.samples.len(), 120, "{text:.300}");
    assert_eq!((first.t, last.t), (0.0, 119.0 * 60.0), "{text:.300}");
    assert_eq!(last.anon.unwrap() - first.anon.unwrap(), 119 * 102 * 1024, "{text:.300}");
}

fn kib(i: u64) -> u64 {
    200_000 + 102 * i
}

/// A text of a line above, and of what is written of each reading.
fn text(head: &str, row: impl Fn(u64) -> String) -> String {
    (0..120).fold(head.to_owned(), |text, i| text + &row(i) + "\n")
}

#[test]
fn what_ps_says_of_the_beginning_of_a_process_is_no_second_clock() {
    let date = |i: u64| format!("Mon Nov 30 {:02}:{:02}:00 UTC 2026", 9 + i / 60, i % 60);
    for began in ["08:12", "Nov30", "2025"] {
        let head = "USER  PID %CPU %MEM    VSZ   RSS TTY STAT START   TIME COMMAND";
        grows(&text("", |i| {
            format!("{}\n{head}\nwww 12 0.3 1.0 999 {} ? Ssl {began} 0:01 apache2 -k start", date(i), kib(i))
        }));
    }
    for age in [|i: u64| format!("{:02}:{:02}", i % 60, 7), |i| format!("1-{:02}:{:02}:07", 2 + i / 60, i % 60)] {
        grows(&text("", |i| {
            format!("{}\n  PID     ELAPSED   RSS CMD\n12 {} {} python3 l.py", date(i), age(i), kib(i))
        }));
    }
}

#[test]
fn averages_are_none_in_any_language() {
    for average in ["Average:", "Moyenne :", "Moyenne\u{a0}:", "Durchschn.:", "Media:", "Średnia:", "平均値:"] {
        let names = "UID  PID  minflt/s  majflt/s  VSZ  RSS  %MEM  Command";
        let head = format!("Linux 6.1.0 (host) \t11/30/2026 \t_x86_64_\t(2 CPU)\n\n09:00:00 {names}\n");
        let rows =
            text(&head, |i| format!("{:02}:{:02}:00 0 12 1,00 0,00 999 {} 1,00 python3", 9 + i / 60, i % 60, kib(i)));
        grows(&format!("{rows}\n{average} {names}\n{average} 0 12 1,00 0,00 999 210000 1,00 python3\n"));
    }
}

#[test]
fn wide_rows_of_vmstat_are_as_the_others() {
    let narrow = "procs -----------memory---------- ---swap-- -----timestamp-----";
    let wide = "--procs-- -----------------------memory---------------------- ---swap-- -----timestamp-----";
    for above in [narrow, wide] {
        let head = format!("{above}\n r  b  swpd  free  buff  cache  si  so  UTC\n");
        grows(&text(&head, |i| {
            let free = 8_000_000 - kib(i);
            format!("1 0 0 {free} 57000 900000 0 0 2026-12-01 {:02}:{:02}:30", 9 + i / 60, i % 60)
        }));
    }
}

#[test]
fn ages_are_read_as_ps_writes_them() {
    let clock = |i: u64| format!("{:02}:{:02}:00", i / 60, i % 60);
    let ways: [&dyn Fn(u64) -> String; 4] = [
        &|i| clock(i + 23 * 60),
        &|i| format!("{}-{}", i / 1440, clock(i % 1440)),
        &|i| if i < 60 { format!("{i:02}:00") } else { clock(i) },
        &|i| format!("3-{}", clock(i)),
    ];
    for written in ways {
        grows(&text("elapsed,rss_kib\n", |i| format!("{},{}", written(i), kib(i))));
    }
    // A clock of the day may go on, too.
    grows(&text("time,rss_kib\n", |i| format!("{},{}", clock(i + 23 * 60), kib(i))));
}

#[test]
fn two_numbers_with_a_colon_are_asked_about() {
    let text = text("time,rss_kib\n", |i| format!("{:02}:{:02},{}", 9 + i / 60, i % 60, kib(i)));
    let asked = error(&text);
    assert!(
        asked.contains("hours and minutes, or minutes and seconds: say which with --time-format '%H:%M'"),
        "{asked}"
    );
    let mapping = Mapping { time_format: Some("%H:%M".into()), ..Mapping::default() };
    assert_eq!(read(text.as_bytes(), "x", &mapping).unwrap().record.meta.elapsed, Some(119.0 * 60.0));
}
