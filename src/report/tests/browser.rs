//! The page in a real browser, where one is installed.

use super::*;
use std::process::{Command, Output};

fn chromium() -> Option<&'static str> {
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success()))
}

/// Loads a page and returns the document as the script left it, and what the browser logged.
fn load(browser: &str, page: &str) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("report.html");
    std::fs::write(&file, page).unwrap();
    Command::new("timeout")
        .args(["--kill-after=5", "60", browser])
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"])
        .arg(format!("--user-data-dir={}", directory.path().join("profile").display()))
        .arg("--dump-dom")
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap()
}

#[test]
fn live_charts_come_up_and_the_console_stays_empty() {
    let Some(browser) = chromium() else {
        eprintln!("no Chromium here: the page wasn't loaded");
        return;
    };
    for (name, (record, verdict)) in [("leak", fixture::leak()), ("hostile", fixture::hostile())] {
        let page = html::render(&record, &verdict).unwrap();
        let output = load(browser, &page);
        let (document, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let console: Vec<&str> = log.lines().filter(|l| l.contains("CONSOLE")).collect();
        assert!(console.is_empty(), "{name}: {console:?}");
        assert_eq!(document.matches("class=\"live\"").count(), 2, "{name}");
        assert!(document.contains("<canvas"), "{name}");
    }
}

#[test]
fn the_policy_stops_scripts_that_are_not_ours() {
    let Some(browser) = chromium() else {
        eprintln!("no Chromium here: the page wasn't loaded");
        return;
    };
    let (record, verdict) = fixture::leak();
    let page =
        html::render(&record, &verdict).unwrap().replace("</main>", "<script>document.title='taken'</script></main>");
    let output = load(browser, &page);
    let document = String::from_utf8_lossy(&output.stdout);
    assert!(document.contains("<title>LEAK"), "the page was loaded");
    assert!(!document.contains("<title>taken"), "and the foreign script was not run");
    assert!(String::from_utf8_lossy(&output.stderr).contains("Content Security Policy"));
}
