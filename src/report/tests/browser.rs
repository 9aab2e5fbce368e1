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
    load_at(browser, page, 1400)
}

fn load_at(browser: &str, page: &str, width: u32) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("report.html");
    std::fs::write(&file, page).unwrap();
    Command::new("timeout")
        .args(["--kill-after=5", "60", browser])
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"])
        .arg(format!("--user-data-dir={}", directory.path().join("profile").display()))
        .arg(format!("--window-size={width},3000"))
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
fn the_table_of_a_fleet_can_be_searched() {
    let Some(browser) = chromium() else {
        eprintln!("no Chromium here: the page wasn't loaded");
        return;
    };
    let (record, verdict) = fixture::leak();
    let labels = |pod: &str| [("pod".to_owned(), pod.to_owned())].into();
    let series = vec![
        FleetSeries::judged(&labels("shop-1"), &record, &verdict, 1e6),
        FleetSeries::failed(&labels("shop-2"), "it answered with status 503"),
    ];
    let page = FleetReport::new("http://127.0.0.1:9090".into(), Vec::new(), Vec::new(), series).html();
    let output = load(browser, &page);
    let (document, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!log.lines().any(|line| line.contains("CONSOLE")), "{log}");
    assert!(document.contains("2 of 2 series"), "{document}");
    // The policy allows no other script: the words are there from the beginning.
    let searched = page.replace("type=\"search\"", "type=\"search\" value=\"not judged SHOP\"");
    let document = String::from_utf8_lossy(&load(browser, &searched).stdout).into_owned();
    assert!(
        document.contains("1 of 2 series") && document.matches("<tr class=\"bad\" hidden").count() == 1,
        "{document}"
    );
}

/// What can't be read of a page that is shown so many pixels wide: words that are broken, numbers that are parted from their
/// units, texts that are cut off.
fn faults(browser: &str, page: &str, width: u32) -> Vec<String> {
    let probe = format!("<head><script>{}</script>", include_str!("faults.js"));
    let page = page.replacen("<head>", &probe, 1).replace("http-equiv=\"Content-Security-Policy\"", "");
    // A window has a least width; a frame has none.
    let inner = page.replace('&', "&amp;").replace('"', "&quot;");
    let outer = format!(
        "<body><iframe srcdoc=\"{inner}\" style=\"width:{width}px;height:3000px;border:0\"></iframe><script>\
         const frame = document.querySelector('iframe'); onload = () => {{ document.title = frame.contentDocument.body.dataset.faults; }};\
         </script>"
    );
    let output = load(browser, &outer);
    let document = String::from_utf8_lossy(&output.stdout).into_owned();
    let title = document.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).unwrap_or_default();
    let told: serde_json::Value =
        serde_json::from_str(&title.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
            .unwrap_or_else(|error| panic!("{error}: {title}\n{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(told["width"], width);
    told["faults"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|fault| fault.as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn everything_can_be_read_on_a_phone_and_on_a_desk() {
    let Some(browser) = chromium() else {
        eprintln!("no Chromium here: the page wasn't loaded");
        return;
    };
    let (record, verdict) = fixture::leak();
    let run = html::render(&record, &verdict).unwrap();
    let (comparison, pairs) = &comparison::fixture::leak();
    let (name, id, started) = ("apache-upload", "20261121T001231Z-apache-upload-ab-7f3a00", "2026-11-21T00:12:31Z");
    let compared = comparison::Report { name, id, started, seed: Some(7), comparison, pairs, notes: &[] };
    let compared = compared.render(Format::Html, false).unwrap().unwrap();
    for (name, page) in [("run", run), ("comparison", String::from_utf8(compared).unwrap())] {
        for width in [390, 1400] {
            let found = faults(browser, &page, width);
            assert!(found.is_empty(), "{name} at {width}: {found:#?}");
        }
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
