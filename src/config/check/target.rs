//! Checks of `[target]` and `[requests]`.

use super::{Checker, is_open};
use crate::config::problem::KeyPath;
use crate::config::{ReadyConfig, RequestsConfig, TargetConfig, Workers};

const SIGNALS: [&str; 6] = ["TERM", "INT", "QUIT", "HUP", "WINCH", "USR1"];

/// Checks a target whose keys are at `at`.
pub(super) fn check(checker: &mut Checker, at: &KeyPath, target: &TargetConfig) {
    checker.command(at.key("command"), &target.command);
    for (index, command) in target.prepare.iter().enumerate() {
        checker.command(at.key("prepare").index(index), command);
    }
    if let Some(cwd) = &target.cwd {
        checker.no_control(at.key("cwd"), "directory", cwd);
    }
    for (name, value) in &target.env {
        check_variable_name(checker, at.key("env").key(name), name);
        if value.contains('\0') {
            checker.refuse(at.key("env").key(name), "the value holds a NUL character", "no variable can; take it out");
        }
    }
    for (index, name) in target.pass_env.iter().enumerate() {
        check_variable_name(checker, at.key("pass-env").index(index), name);
    }
    if target.memory_limit.0 == 0 {
        let help = "write a size that the target can live with, such as `2 GiB`";
        checker.refuse(at.key("memory-limit"), "nothing can start without memory", help);
    }
    if let Workers::Match(pattern) = &target.workers {
        checker.pattern(at.key("workers").key("match"), pattern, &[]);
    }
    for (index, pattern) in target.leave_out.iter().enumerate() {
        checker.pattern(at.key("leave-out").index(index), pattern, &[]);
    }
    check_ready(checker, &at.key("ready"), &target.ready);
    checker.bounded(at.key("stop").key("grace"), Some(target.stop.grace));
    checker.known(at.key("stop").key("signal"), "signal", &target.stop.signal, &SIGNALS);
}

fn check_variable_name(checker: &mut Checker, at: KeyPath, name: &str) {
    if name.is_empty() || name.contains(['=', '\0']) {
        let message = format!("`{name}` isn't a name for an environment variable");
        checker.refuse(at, message, "a name isn't empty and holds no `=`");
    }
}

fn check_ready(checker: &mut Checker, at: &KeyPath, ready: &ReadyConfig) {
    let conditions = [
        ("http", ready.http.is_some()),
        ("tcp", ready.tcp.is_some()),
        ("output", ready.output.is_some()),
        ("command", ready.command.is_some()),
        ("delay", ready.delay.is_some()),
    ];
    one_at_most(checker, at, "conditions for being ready", &conditions);
    if let Some(url) = &ready.http {
        checker.url(at.key("http"), url);
    }
    if let Some(address) = &ready.tcp {
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        if !is_open(address) && port.and_then(|(_, port)| port.parse::<u16>().ok()).is_none_or(|port| port == 0) {
            let message = format!("`{address}` isn't an address with a port");
            checker.refuse(at.key("tcp"), message, "write it like `127.0.0.1:${port}`");
        }
    }
    if let Some(pattern) = &ready.output {
        checker.pattern(at.key("output"), pattern, &[]);
    }
    if let Some(command) = &ready.command {
        checker.command(at.key("command"), command);
    }
    checker.bounded(at.key("delay"), ready.delay);
    checker.positive(at.key("timeout"), ready.timeout);
    if let (Some(delay), Some(timeout)) = (ready.delay, ready.timeout)
        && delay >= timeout
        && checker.sound(&at.key("delay"))
    {
        let help = "leave `timeout` out";
        checker.refuse(at.key("timeout"), "the timeout ends before the delay does", help);
    }
}

/// Refuses the second of several settings that exclude one another.
fn one_at_most(checker: &mut Checker, at: &KeyPath, what: &str, settings: &[(&str, bool)]) {
    let given: Vec<&str> = settings.iter().filter(|(_, given)| *given).map(|(key, _)| *key).collect();
    if let [first, second, ..] = given[..] {
        checker.refuse(at.key(second), format!("there are two {what}: `{first}` and `{second}`"), "keep one of them");
    }
}

/// Checks a way to count requests whose keys are at `at`.
pub(super) fn check_requests(checker: &mut Checker, at: &KeyPath, requests: &RequestsConfig) {
    let sources = [
        ("log", requests.log.is_some()),
        ("php-fpm", requests.php_fpm.is_some()),
        ("mod-status", requests.mod_status.is_some()),
        ("page", requests.page.is_some()),
    ];
    one_at_most(checker, at, "sources of request counts", &sources);
    if let Some(log) = &requests.log {
        checker.no_control(at.key("log").key("path"), "path", &log.path);
        checker.pattern(at.key("log").key("pattern"), &log.pattern, &["pid"]);
    }
    for (key, url) in [("php-fpm", &requests.php_fpm), ("mod-status", &requests.mod_status)] {
        if let Some(url) = url {
            checker.url(at.key(key), url);
        }
    }
    if let Some(page) = &requests.page {
        checker.url(at.key("page").key("url"), &page.url);
        checker.pattern(at.key("page").key("pattern"), &page.pattern, &["pid", "count"]);
    }
}
