//! What `examples/fleet` has for Prometheus and Grafana: rules that promtool accepts, and no metric that isn't served.

use super::stand_in::StandIn;
use super::watch::Running;
use super::{pod, right};
use crate::common::Bench;
use crate::programs::are_there;
use regex::Regex;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/fleet").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap()
}

#[test]
fn promtool_accepts_the_rules_and_the_scrape_job() {
    if !are_there(&["promtool"]) {
        return;
    }
    let checked = |what: &[&str], name: &str| {
        let output = Command::new("promtool").args(what).arg(file(name)).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    };
    checked(&["check", "rules"], "alerts.yml");
    checked(&["check", "config"], "prometheus.yml");
}

#[test]
fn rules_and_dashboard_use_only_what_is_served() {
    let bench = Bench::new();
    let server = StandIn::new(vec![pod("a", 0.0)], right);
    let running = Running::new(&bench, &server.url, &[]);
    let served = running.until("seepage_fleet_series_judged 1");
    let family = Regex::new(r"(?m)^# TYPE (\w+) (\w+)$").unwrap();
    let total = |parts: regex::Captures<'_>| {
        if &parts[2] == "counter" { format!("{}_total", &parts[1]) } else { parts[1].to_owned() }
    };
    let served: BTreeSet<String> = family.captures_iter(&served).map(total).collect();
    let dashboard: serde_json::Value = serde_json::from_str(&text("dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let asked = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let queries = asked.map(|target| target["expr"].as_str().unwrap().to_owned());
    let name = Regex::new(r"seepage_fleet_\w+").unwrap();
    let mut used = BTreeSet::new();
    for query in queries.chain([text("alerts.yml")]) {
        used.extend(name.find_iter(&query).map(|found| found.as_str().to_owned()));
    }
    assert!(used.len() > 8, "{used:?}");
    let unknown: Vec<&String> = used.difference(&served).collect();
    assert!(unknown.is_empty(), "{unknown:?} are not among {served:?}");
}
