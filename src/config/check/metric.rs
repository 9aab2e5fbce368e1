//! Checks of `[metric]`, that of the target or of a service.

use super::{Checker, budget};
use crate::config::problem::KeyPath;
use crate::config::{MetricConfig, MetricKindConfig};
use crate::model::{Metric, Per, Resource};
use std::collections::{BTreeMap, BTreeSet};

/// Checks the metrics at `at`, where requests are `counted` or not, and budgets are for these.
pub(super) fn check(
    checker: &mut Checker,
    at: &KeyPath,
    metrics: &BTreeMap<String, MetricConfig>,
    (per, counted): (Per, bool),
) {
    let mut names = BTreeSet::new();
    for (name, metric) in metrics {
        let at = at.key(name);
        let known = Resource::ALL.iter().any(|resource| resource.name() == name);
        if Metric::new(name, false).is_none() || known {
            let message = format!("`{name}` isn't a name for a metric");
            let help = if known {
                "it is what seepage itself reads: take another".to_owned()
            } else {
                format!("use {}", Metric::NAMED_BY)
            };
            checker.refuse(at.clone(), message, help);
            continue;
        }
        for wanted in metric.wanted(name) {
            let name = wanted.metric.name();
            if !names.insert(name) {
                let message = format!("there are two metrics `{name}`");
                checker.refuse(at.clone(), message, "a preset brings its own: leave one of them out");
            }
        }
        check_source(checker, &at, metric);
        check_select(checker, &at, metric);
        check_kind(checker, &at, name, metric, (per, counted));
        checker.positive(at.key("every"), Some(metric.every));
        checker.positive(at.key("timeout"), Some(metric.timeout));
    }
}

fn check_source(checker: &mut Checker, at: &KeyPath, metric: &MetricConfig) {
    match (&metric.command, &metric.url) {
        (None, None) => {
            let help = "write `command = [\"program\", \"argument\"]`, or `url = \"http://...\"`";
            checker.refuse(at.clone(), "nothing says where this metric is read", help);
        }
        (Some(_), Some(_)) => {
            let help = "keep one of them";
            checker.refuse(at.key("url"), "there are two sources of a metric: `command` and `url`", help);
        }
        (Some(command), None) => checker.command(at.key("command"), command),
        (None, Some(url)) => checker.url(at.key("url"), url),
    }
}

fn check_select(checker: &mut Checker, at: &KeyPath, metric: &MetricConfig) {
    let given = [
        ("row", &metric.row),
        ("json", &metric.json),
        ("openmetrics", &metric.openmetrics),
        ("pattern", &metric.pattern),
    ];
    let given: Vec<&str> = given.into_iter().filter(|(_, text)| text.is_some()).map(|(key, _)| key).collect();
    if let [first, second, ..] = given[..] {
        let message = format!("two keys say which number is meant: `{first}` and `{second}`");
        checker.refuse(at.key(second), message, "keep one of them");
    }
    if let Some(pattern) = &metric.pattern {
        checker.pattern(at.key("pattern"), pattern, &[]);
        if regex::Regex::new(pattern).is_ok_and(|regex| regex.captures_len() < 2) {
            let help = "write `(...)` around the number, such as `active: ([0-9]+)`";
            checker.refuse(at.key("pattern"), "the regular expression has no group", help);
        }
    }
    if metric.json.as_ref().is_some_and(|path| !path.starts_with('/')) {
        let help = "write it like `/memory_usage/used_memory`: a slash before each key, or number of an item";
        checker.refuse(at.key("json"), "this isn't a JSON pointer", help);
    }
    if metric.row.as_ref().is_some_and(|row| row.trim().is_empty()) {
        checker.refuse(at.key("row"), "the name of the row is empty", "write what stands at the begin of its line");
    }
}

fn check_kind(checker: &mut Checker, at: &KeyPath, name: &str, metric: &MetricConfig, (per, counted): (Per, bool)) {
    let usual = MetricConfig::default();
    let counter = metric.kind == MetricKindConfig::Counter;
    if metric.preset.is_some() {
        let said = MetricConfig {
            command: None,
            url: None,
            preset: None,
            every: usual.every,
            timeout: usual.timeout,
            ..metric.clone()
        };
        if said != usual {
            let help = "keep `command` or `url`, `every` and `timeout`, or describe the one series without `preset`";
            checker.refuse(at.key("preset"), "a preset says itself what its series are", help);
        }
        return;
    }
    if counter && (metric.budget.is_some() || !metric.judged) {
        let key = if metric.budget.is_some() { "budget" } else { "judged" };
        let help = "leave it out: what a request adds is told, and compared by `ab`";
        checker.refuse(at.key(key), "a counter isn't judged", help);
    }
    if !counter && metric.own != 0.0 {
        let help = "leave it out: what is there while it is looked at is there each time";
        checker.refuse(at.key("own"), "only a counter has what looks added to it", help);
    }
    if !(metric.own.is_finite() && metric.own >= 0.0) {
        checker.refuse(at.key("own"), "a look takes nothing away", "write a number from 0 up");
    }
    if metric.unit.is_some_and(|unit| unit.0 == 0) {
        checker.refuse(at.key("unit"), "nothing is no unit", "write it like `1 KiB`");
    }
    if let Some(allowed) = metric.budget.filter(|_| !counter) {
        if let Some(own) = Metric::new(name, metric.unit.is_some()) {
            budget::check_one(checker, at.key("budget"), (Resource::Metric(own), allowed), (per, counted));
        }
        if !metric.judged {
            checker.refuse(at.key("budget"), "what isn't judged has no budget", "leave out `budget`, or `judged`");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Overrides, parse};

    const HEAD: &str = "name = 'x'\n[target]\ncommand = ['x']\n[workload]\ncommand = ['b']\n[[phase]]\nkind = 'soak'\n";

    fn wrong(metric: &str) -> String {
        let text = format!("{HEAD}{metric}\n");
        parse(&text, "x.toml", &Overrides::default()).map_or_else(|error| error.to_string(), |_| "good".into())
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_place() {
        for (metric, message) in [
            ("[metric.a]\ncommand = ['x']\nbudget = '60/hour'", "good"),
            ("[metric.a]\npreset = 'redis'\ncommand = ['redis-cli', 'INFO']\nevery = '5s'", "good"),
            ("[metric.a]", "nothing says where this metric is read"),
            ("[metric.a]\ncommand = []", "the command is empty"),
            ("[metric.a]\nurl = 'https://h/'", "is not plain HTTP"),
            ("[metric.a]\ncommand = ['x']\nurl = 'http://h/'", "two sources of a metric: `command` and `url`"),
            (
                "[metric.a]\ncommand = ['x']\nrow = 'a'\njson = '/a'",
                "two keys say which number is meant: `row` and `json`",
            ),
            ("[metric.a]\ncommand = ['x']\njson = 'a.b'", "x.toml:10:8: this isn't a JSON pointer"),
            ("[metric.a]\ncommand = ['x']\npattern = '('", "this isn't a regular expression"),
            ("[metric.a]\ncommand = ['x']\npattern = 'x'", "the regular expression has no group"),
            ("[metric.\"a b\"]\ncommand = ['x']", "`a b` isn't a name for a metric"),
            ("[metric.memory]\ncommand = ['x']", "it is what seepage itself reads"),
            ("[metric.a]\ncommand = ['x']\nkind = 'counter'\nbudget = '1/hour'", "a counter isn't judged"),
            ("[metric.a]\ncommand = ['x']\nown = 1", "only a counter has what looks added to it"),
            (
                "[metric.a]\ncommand = ['x']\nbudget = '64 B/hour'",
                "the budget for a is in bytes, but it is measured in",
            ),
            ("[metric.a]\ncommand = ['x']\nbudget = '1/request'", "this budget is for requests"),
            ("[metric.a]\ncommand = ['x']\nbudget = '100 in 2 days'", "a has no life"),
            ("[metric.a]\ncommand = ['x']\nevery = '0s'", "this time is zero"),
            ("[metric.a]\npreset = 'redis'\ncommand = ['x']\nrow = 'a'", "a preset says itself what its series are"),
            ("[metric.a]\npreset = 'rediss'\ncommand = ['x']", "did you mean `redis`?"),
            (
                "[metric.a]\npreset = 'redis'\ncommand = ['x']\n[metric.used_memory]\ncommand = ['x']",
                "there are two metrics `used_memory`",
            ),
            ("[services.s]\ncommand = ['x']\n[services.s.metric.a]\nurl = 'x'", "x.toml:11:7: "),
        ] {
            let error = wrong(metric);
            assert!(error.contains(message), "{metric}: {error}");
        }
    }
}
