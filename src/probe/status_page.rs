//! Parsers for pages on which a server says what each of its workers has served.

use regex::Regex;
use serde::Deserialize;
use std::collections::HashMap;

/// Requests served so far, by worker's PID.
pub type ByPid = HashMap<u32, u64>;

#[derive(Deserialize)]
struct FpmPage {
    processes: Vec<FpmProcess>,
}

#[derive(Deserialize)]
struct FpmProcess {
    pid: u32,
    requests: u64,
}

/// Reads PHP-FPM's status page as `?full&json` gives it.
///
/// # Errors
/// If it isn't such a page.
pub fn parse_php_fpm(page: &[u8]) -> Result<ByPid, String> {
    let page: FpmPage = serde_json::from_slice(page)
        .map_err(|error| format!("not PHP-FPM's full status in JSON ({error}); the URL has to end in `?full&json`"))?;
    Ok(page.processes.into_iter().map(|p| (p.pid, p.requests)).collect())
}

/// Reads the table of Apache's mod_status in HTML: column `PID`, and `Acc` as `connection/child/slot`, of which the
/// middle number counts the requests of this child. Under a threaded MPM a child has several rows, which are summed.
///
/// # Errors
/// If there is no such table, as without `ExtendedStatus On` or with `?auto`.
pub fn parse_mod_status(page: &[u8]) -> Result<ByPid, String> {
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
        Ok(counts)
    } else {
        Err("no table of workers on the page: is `ExtendedStatus On` set, and the URL without `?auto`?".into())
    }
}

/// Reads any page by a pattern with the groups `pid` and `count`.
///
/// # Errors
/// If the pattern matches nowhere.
pub fn parse_page(page: &[u8], pattern: &Regex) -> Result<ByPid, String> {
    let text = String::from_utf8_lossy(page);
    let mut counts = ByPid::new();
    for found in pattern.captures_iter(&text) {
        let group = |name: &str| found.name(name)?.as_str().parse::<u64>().ok();
        if let (Some(pid), Some(count)) = (group("pid").and_then(|p| u32::try_from(p).ok()), group("count")) {
            counts.insert(pid, count);
        }
    }
    if counts.is_empty() { Err(format!("the pattern `{pattern}` matches no worker on the page")) } else { Ok(counts) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn php_fpm_names_each_process() {
        let page = br#"{"pool":"www","processes":[{"pid":7,"state":"Idle","requests":12},{"pid":8,"requests":3}]}"#;
        assert_eq!(parse_php_fpm(page).unwrap(), ByPid::from([(7, 12), (8, 3)]));
        assert!(parse_php_fpm(b"<html>").unwrap_err().contains("?full&json"));
    }

    #[test]
    fn mod_status_sums_the_threads_of_a_child() {
        let page = b"<table><tr><th>Srv</th><th>PID</th><th>Acc</th></tr>\n\
            <tr><td><b>0-0</b></td><td>99</td><td>1/40/90</td><td>_</td></tr>\n\
            <tr><td><b>0-0</b></td><td>99</td><td>0/2/2</td><td>_</td></tr>\n\
            <tr><td><b>1-0</b></td><td>-</td><td>0/0/5</td><td>.</td></tr>\n";
        assert_eq!(parse_mod_status(page).unwrap(), ByPid::from([(99, 42)]));
        assert!(parse_mod_status(b"Total Accesses: 5").is_err());
    }

    #[test]
    fn any_page_is_read_by_its_pattern() {
        let pattern = Regex::new(r"worker (?<pid>\d+): (?<count>\d+)").unwrap();
        assert_eq!(parse_page(b"worker 5: 10\nworker 6: 0\n", &pattern).unwrap(), ByPid::from([(5, 10), (6, 0)]));
        assert!(parse_page(b"nothing", &pattern).is_err());
    }

    proptest! {
        #[test]
        fn no_page_makes_a_parser_panic(page in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_php_fpm(&page);
            let _ = parse_mod_status(&page);
            let _ = parse_page(&page, &Regex::new(r"(?<pid>\d+) (?<count>\d+)").unwrap());
        }
    }
}
