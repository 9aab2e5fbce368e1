//! Parsers for pages on which a server says what each of its workers has served.

use regex::Regex;
use serde::Deserialize;
use std::collections::HashMap;

/// Requests served so far, by worker's PID.
pub type ByPid = HashMap<u32, u64>;

/// What a page says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatusPage {
    /// Requests served by each worker.
    pub served: ByPid,
    /// The worker that made this very page, if the page shows it.
    pub made_by: Option<u32>,
    /// Whether `served` has the request for this page already.
    pub counts_itself: bool,
}

/// The only one of `pids`.
fn only(mut pids: impl Iterator<Item = u32>) -> Option<u32> {
    let first = pids.next()?;
    pids.all(|pid| pid == first).then_some(first)
}

#[derive(Deserialize)]
struct FpmPage {
    processes: Vec<FpmProcess>,
}

#[derive(Deserialize)]
struct FpmProcess {
    pid: u32,
    requests: u64,
    #[serde(default)]
    state: String,
    #[serde(default, rename = "request uri")]
    uri: String,
}

/// Reads PHP-FPM's status page as `?full&json` gives it; `path` is what was asked for, with its query. FPM counts a request
/// when it begins.
///
/// # Errors
/// If it isn't such a page.
pub fn parse_php_fpm(page: &[u8], path: &str) -> Result<StatusPage, String> {
    let page: FpmPage = serde_json::from_slice(page)
        .map_err(|error| format!("not PHP-FPM's full status in JSON ({error}); the URL has to end in `?full&json`"))?;
    let own = |p: &&FpmProcess| p.state == "Running" && p.uri == path;
    let made_by = only(page.processes.iter().filter(own).map(|p| p.pid));
    let served = page.processes.into_iter().map(|p| (p.pid, p.requests)).collect();
    Ok(StatusPage { served, made_by, counts_itself: true })
}

/// Reads the table of Apache's mod_status in HTML: column `PID`, and `Acc` as `connection/child/slot`, of which the
/// middle number counts the requests of this child. Under a threaded MPM a child has several rows, which are summed. `path` is
/// what was asked for, with its query; Apache counts a request when it ends.
///
/// # Errors
/// If there is no such table, as without `ExtendedStatus On` or with `?auto`.
pub fn parse_mod_status(page: &[u8], path: &str) -> Result<StatusPage, String> {
    let text = String::from_utf8_lossy(page);
    let row = Regex::new(r"<td><b>\d+-\d+</b></td><td>(\d+)</td><td>\d+/(\d+)/\d+").expect("a constant pattern");
    let mut counts = ByPid::new();
    for found in row.captures_iter(&text) {
        if let (Ok(pid), Ok(count)) = (found[1].parse(), found[2].parse::<u64>()) {
            let sum: &mut u64 = counts.entry(pid).or_default();
            *sum = sum.saturating_add(count);
        }
    }
    let has_table = text.contains("<th>Acc</th>");
    if has_table || !counts.is_empty() {
        let request = format!("GET {} ", path.replace('&', "&amp;"));
        let own = text.split("<tr>").filter(|text| text.contains("<b>W</b>") && text.contains(&request));
        let made_by = only(own.filter_map(|text| row.captures(text)?[1].parse().ok()));
        Ok(StatusPage { served: counts, made_by, counts_itself: false })
    } else {
        Err("no table of workers on the page: is `ExtendedStatus On` set, and the URL without `?auto`?".into())
    }
}

/// Reads any page by a pattern with the groups `pid` and `count`; who made it can't be told.
///
/// # Errors
/// If the pattern matches nowhere.
pub fn parse_page(page: &[u8], pattern: &Regex) -> Result<StatusPage, String> {
    let text = String::from_utf8_lossy(page);
    let mut counts = ByPid::new();
    for found in pattern.captures_iter(&text) {
        let group = |name: &str| found.name(name)?.as_str().parse::<u64>().ok();
        if let (Some(pid), Some(count)) = (group("pid").and_then(|p| u32::try_from(p).ok()), group("count")) {
            counts.insert(pid, count);
        }
    }
    if counts.is_empty() {
        return Err(format!("the pattern `{pattern}` matches no worker on the page"));
    }
    Ok(StatusPage { served: counts, ..StatusPage::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn php_fpm_names_each_process() {
        let page = br#"{"pool":"www","processes":[{"pid":7,"state":"Idle","requests":12,"request uri":"/s?full&json"},
            {"pid":8,"state":"Running","requests":3,"request uri":"/s?full&json"},{"pid":9,"requests":0}]}"#;
        let read = parse_php_fpm(page, "/s?full&json").unwrap();
        assert_eq!(read.served, ByPid::from([(7, 12), (8, 3), (9, 0)]));
        assert_eq!((read.made_by, read.counts_itself), (Some(8), true));
        assert_eq!(parse_php_fpm(page, "/other").unwrap().made_by, None);
        assert!(parse_php_fpm(b"<html>", "/").unwrap_err().contains("?full&json"));
    }

    #[test]
    fn mod_status_sums_the_threads_of_a_child() {
        let page = b"<table><tr><th>Srv</th><th>PID</th><th>Acc</th></tr>\n\
            <tr><td><b>0-0</b></td><td>99</td><td>1/40/90</td><td>_</td></tr>\n\
            <tr><td><b>0-0</b></td><td>99</td><td>0/2/2</td><td>_</td></tr>\n\
            <tr><td><b>1-0</b></td><td>-</td><td>0/0/5</td><td>.</td></tr>\n";
        assert_eq!(parse_mod_status(page, "/").unwrap().served, ByPid::from([(99, 42)]));
        assert!(parse_mod_status(b"Total Accesses: 5", "/").is_err());
    }

    #[test]
    fn mod_status_shows_who_made_it_unless_others_ask_too() {
        let row = |pid, state, request| {
            format!(
                "<tr><td><b>0-0</b></td><td>{pid}</td><td>1/4/9</td><td><b>{state}</b>\n</td><td nowrap>{request}</td></tr>\n"
            )
        };
        let (asks, other) = ("GET /server-status HTTP/1.1", "GET /server-status-old HTTP/1.1");
        let made_by = |rows: &[String]| parse_mod_status(rows.concat().as_bytes(), "/server-status").unwrap().made_by;
        assert_eq!(made_by(&[row(5, "_", asks), row(6, "W", asks), row(7, "W", other)]), Some(6));
        assert_eq!(made_by(&[row(5, "W", asks), row(6, "W", asks)]), None, "somebody else asks too");
        assert_eq!(made_by(&[row(5, "_", asks), row(6, "W", other)]), None);
    }

    #[test]
    fn any_page_is_read_by_its_pattern() {
        let pattern = Regex::new(r"worker (?<pid>\d+): (?<count>\d+)").unwrap();
        let read = parse_page(b"worker 5: 10\nworker 6: 0\n", &pattern).unwrap();
        assert_eq!((read.served, read.made_by), (ByPid::from([(5, 10), (6, 0)]), None));
        assert!(parse_page(b"nothing", &pattern).is_err());
    }

    proptest! {
        #[test]
        fn no_page_makes_a_parser_panic(page in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_php_fpm(&page, "/status");
            let _ = parse_mod_status(&page, "/status");
            let _ = parse_page(&page, &Regex::new(r"(?<pid>\d+) (?<count>\d+)").unwrap());
        }
    }
}
