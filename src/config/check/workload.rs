//! Checks of `[workload]` and its steps.

use super::{Checker, is_open};
use crate::config::problem::KeyPath;
use crate::config::{AbortPoint, BodyConfig, Rate, Size, StepConfig, WorkloadConfig};
use crate::http::{is_field_value, is_token};
use crate::model::Bytes;
use std::collections::HashMap;
use url::Url;

/// Connections that one harness holds at most: more than that is another tool's work, and a typing error here.
const MOST_CONNECTIONS: u32 = 10_000;

/// The greatest weight of a step, so that a sum of weights is a number.
const MOST_WEIGHT: f64 = 1e9;

/// The largest body, so that a sum of its parts is a number.
const LARGEST_BODY: Bytes = Bytes(1 << 40);

/// Methods as people use them; others are allowed if HTTP allows their spelling and they are in capitals.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"];

pub(super) fn check(checker: &mut Checker, workload: &WorkloadConfig) {
    let at = KeyPath::of(&["workload"]);
    match &workload.command {
        Some(command) => {
            checker.command(at.key("command"), command);
            refuse_driver_settings(checker, &at, workload);
            if let Some(pattern) = &workload.command_requests {
                checker.pattern(at.key("command-requests"), pattern, &["count"]);
            }
        }
        None => check_driver(checker, &at, workload),
    }
}

fn refuse_driver_settings(checker: &mut Checker, at: &KeyPath, workload: &WorkloadConfig) {
    let settings = [
        ("step", !workload.steps.is_empty()),
        ("base-url", !workload.base_url.is_empty()),
        ("concurrency", workload.concurrency.is_some()),
        ("rate", workload.rate.is_some()),
        ("requests-per-connection", workload.requests_per_connection.is_some()),
        ("think-time", workload.think_time.is_some()),
    ];
    for (key, _) in settings.iter().filter(|(_, given)| *given) {
        let message = format!("`{key}` means nothing to an external command");
        checker.refuse(at.key(key), message, "drive with `command`, or with `base-url` and steps");
    }
}

fn check_driver(checker: &mut Checker, at: &KeyPath, workload: &WorkloadConfig) {
    if workload.command_requests.is_some() && checker.sound(&at.key("command")) {
        let help = "add `command`, or take this out: the built-in driver counts its requests itself";
        checker.refuse(at.key("command-requests"), "there is no `command` whose output could match", help);
    }
    if workload.steps.is_empty() {
        let help = "add a `[[workload.step]]` with a name and a path, or an external `command`";
        checker.refuse(at.clone(), "nothing drives the target", help);
        return;
    }
    if workload.base_url.is_empty() {
        let help = "add `base-url = [\"http://127.0.0.1:${port}\"]`";
        checker.refuse(at.clone(), "the steps have no `base-url`", help);
    }
    for (index, url) in workload.base_url.iter().enumerate() {
        check_base_url(checker, at.key("base-url").index(index), url);
    }
    check_model(checker, at, workload);
    check_weights(checker, workload);

    let mut names = HashMap::new();
    for (index, step) in workload.steps.iter().enumerate() {
        let at = at.key("step").index(index);
        if let Some(first) = names.insert(step.name.as_str(), index + 1) {
            let message = format!("step {first} is called `{}` too", step.name);
            checker.refuse(at.key("name"), message, "give every step a name of its own: reports tell them apart by it");
        }
        check_step(checker, &at, step);
    }
}

fn check_base_url(checker: &mut Checker, at: KeyPath, text: &str) {
    checker.url(at.clone(), text);
    let is_http = |url: &Url| url.scheme() == "http" && !is_open(text);
    if Url::parse(text).is_ok_and(|url| is_http(&url) && (url.query().is_some() || url.fragment().is_some())) {
        let help = "put the query into the `path` of a step";
        checker.refuse(at, format!("`{text}` has a query or fragment"), help);
    }
}

fn check_model(checker: &mut Checker, at: &KeyPath, workload: &WorkloadConfig) {
    if workload.concurrency.is_none() && workload.rate.is_none() {
        let help = "add `concurrency = 8` (each connection waits for its answer), or `rate = \"50/s\"` (nobody waits)";
        checker.refuse(at.clone(), "there is neither a `concurrency` nor a `rate`", help);
    }
    check_concurrency(checker, at.key("concurrency"), workload.concurrency);
    checker.count(at.key("requests-per-connection"), workload.requests_per_connection.map(u64::from));
    if workload.rate.is_some() && workload.think_time.is_some() {
        let help = "take out `think-time`, or `rate`";
        checker.refuse(at.key("think-time"), "requests that begin at a rate can't wait for a user to think", help);
    }
    check_rate(checker, at.key("rate"), workload.rate);
    checker.bounded(at.key("think-time"), workload.think_time);
    checker.positive(at.key("timeout"), Some(workload.timeout));
}

pub(super) fn check_concurrency(checker: &mut Checker, at: KeyPath, concurrency: Option<u32>) {
    checker.count(at.clone(), concurrency.map(u64::from));
    if let Some(count) = concurrency.filter(|count| *count > MOST_CONNECTIONS) {
        let message = format!("{count} connections are more than the driver opens");
        checker.refuse(at, message, format!("write at most {MOST_CONNECTIONS}"));
    }
}

/// A rate is zero, the beginning of a ramp, or one that the driver can keep time for.
pub(super) fn check_rate(checker: &mut Checker, at: KeyPath, rate: Option<Rate>) {
    const LEAST: f64 = 1.0 / 3600.0;
    const MOST: f64 = 1e6;
    if let Some(rate) = rate.filter(|rate| rate.per_second != 0.0 && !(LEAST..=MOST).contains(&rate.per_second)) {
        let help = "write a rate between `1/h` and `1000000/s`";
        checker.refuse(at, format!("{rate} isn't a rate that the driver can keep"), help);
    }
}

fn check_weights(checker: &mut Checker, workload: &WorkloadConfig) {
    let at = KeyPath::of(&["workload", "step"]);
    for (index, step) in workload.steps.iter().enumerate() {
        if !(0.0..=MOST_WEIGHT).contains(&step.weight) {
            let message = format!("a step can't be drawn {} times as often as others", step.weight);
            let help = format!("write a number from 0 to {MOST_WEIGHT}, such as `1` or `0.5`");
            checker.refuse(at.index(index).key("weight"), message, help);
        }
    }
    if !workload.steps.is_empty() && workload.steps.iter().all(|step| step.weight == 0.0) {
        let help = "give at least one step a weight above 0";
        checker.refuse(at.index(0).key("weight"), "no step is ever drawn: all weights are 0", help);
    }
}

fn check_step(checker: &mut Checker, at: &KeyPath, step: &StepConfig) {
    checker.no_control(at.key("name"), "name", &step.name);
    if !is_open(&step.method) {
        if !is_token(&step.method) || step.method.chars().any(|c| c.is_ascii_lowercase()) {
            checker.known(at.key("method"), "HTTP method", &step.method, &METHODS);
        } else if step.method == "CONNECT" {
            let help = "drive a server, not a proxy's tunnel";
            checker.refuse(at.key("method"), "`CONNECT` opens a tunnel", help);
        }
    }
    check_path(checker, at.key("path"), &step.path);
    for (name, value) in &step.headers {
        check_header(checker, at.key("headers").key(name), name, value);
    }
    if let Some(body) = &step.body {
        check_body(checker, &at.key("body"), body);
    }
    if step.expect.is_empty() {
        checker.refuse(at.key("expect"), "no answer would be a success", "list at least one status, such as `[200]`");
    }
    for (index, status) in step.expect.iter().enumerate().filter(|(_, status)| !(100..=599).contains(*status)) {
        let help = "status codes go from 100 to 599";
        checker.refuse(at.key("expect").index(index), format!("{status} isn't an HTTP status"), help);
    }
    if let Some(abort) = &step.abort
        && step.body.is_none()
        && abort.at != AbortPoint::AfterBody
        && checker.sound(&at.key("body"))
    {
        let help = "give the step a `body`, or abort `at = \"after-body\"`";
        checker.refuse(at.key("abort"), "a request without a body can't be broken off in it", help);
    }
}

fn check_path(checker: &mut Checker, at: KeyPath, path: &str) {
    if is_open(path) {
        return;
    }
    if !path.starts_with('/') {
        checker.refuse(at, format!("the path `{path}` doesn't begin with `/`"), format!("write `/{path}`"));
    } else if path.contains('#') {
        checker.refuse(at, "a fragment isn't sent to the server", "take out `#` and what follows");
    } else if path.bytes().any(|b| !(0x21..0x7f).contains(&b)) {
        let help = "write such characters percent-encoded: a space is `%20`";
        checker.refuse(at, "a path has no spaces, control characters or letters beyond ASCII", help);
    }
}

fn check_header(checker: &mut Checker, at: KeyPath, name: &str, value: &str) {
    const DRIVERS_OWN: [&str; 3] = ["content-length", "transfer-encoding", "connection"];
    if !is_token(name) {
        let help = "names have letters, digits and `-`";
        checker.refuse(at, format!("`{name}` isn't a name for an HTTP header"), help);
    } else if DRIVERS_OWN.contains(&name.to_ascii_lowercase().as_str()) {
        let help = "take it out; `requests-per-connection` and `body` decide it";
        checker.refuse(at, format!("the driver writes `{name}` itself"), help);
    } else if !is_field_value(value) {
        let message = format!("the value of `{name}` can't be sent in a header");
        checker.refuse(at, message, "use printable characters on one line");
    }
}

fn check_body(checker: &mut Checker, at: &KeyPath, body: &BodyConfig) {
    match body {
        BodyConfig::Text(_) => {}
        BodyConfig::File(path) => checker.no_control(at.key("file"), "path", path),
        BodyConfig::Random(size) => check_size(checker, at.key("random"), *size),
        BodyConfig::Multipart(size) => check_size(checker, at.key("multipart"), *size),
    }
}

fn check_size(checker: &mut Checker, at: KeyPath, size: Size) {
    let (least, most) = match size {
        Size::Fixed(bytes) => (bytes, bytes),
        Size::Uniform([least, most]) | Size::LogUniform([least, most]) => (least, most),
    };
    if least > most {
        let message = format!("the least size, {least}, is above the greatest, {most}");
        checker.refuse(at, message, "swap the two");
    } else if most > LARGEST_BODY {
        checker.refuse(at, format!("{most} are too large for a body"), format!("write at most `{LARGEST_BODY}`"));
    } else if matches!(size, Size::LogUniform(_)) && least.0 == 0 {
        let help = "write `1 B` or more, or use `uniform`";
        checker.refuse(at, "a log-uniform size can't begin at zero", help);
    }
}
