//! What a harness file may not say, though its keys and types are right.
//!
//! Every check refuses with the place, what is wrong and what to do; nothing that contradicts itself gets as far as a
//! launch. The checks see texts with their variables replaced; texts that still hold `${env:...}`, whose value is
//! known only in a run, are checked when it is. Where a value couldn't be read, something else stands for it: whoever looks at
//! two places asks whether the other is [sound](Checker::sound).

mod budget;
mod metric;
mod phases;
mod services;
mod target;
mod variants;
mod workload;

#[cfg(test)]
mod tests;

use super::problem::{KeyPath, Problem, Problems};
use super::setting::{listed, unknown};
use super::{Harness, HeapMode, RequestsConfig, Span};
use regex::Regex;
use std::ops::RangeInclusive;
use std::time::Duration;
use url::Url;

/// The longest time in a harness file: beyond that, adding it to a clock's time could overflow.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// The highest number of requests in a harness file, so that it can be multiplied by a number of workers.
const MOST_REQUESTS: u64 = 1_000_000_000_000;

/// Whether the value of a text is known only in a run.
fn is_open(text: &str) -> bool {
    text.contains("${env:")
}

/// Notes everything wrong with a harness whose variables are replaced.
pub(super) fn check(harness: &Harness, problems: &mut Problems) {
    let mut checker = Checker { problems };
    check_name(&mut checker, &harness.name);
    target::check(&mut checker, &KeyPath::of(&["target"]), &harness.target);
    target::check_requests(&mut checker, &KeyPath::of(&["requests"]), &harness.requests);
    if let Some(workload) = &harness.workload {
        workload::check(&mut checker, workload);
    }
    phases::check(&mut checker, &harness.phases, harness.workload.as_ref());
    phases::check_settling(&mut checker, harness);
    budget::check(&mut checker, &KeyPath::of(&["budget"]), &harness.budget, harness.counts_requests());
    let judged = (harness.per(), harness.counts_requests());
    metric::check(&mut checker, &KeyPath::of(&["metric"]), &harness.metrics, judged);
    services::check(&mut checker, harness);
    check_gates(&mut checker, harness);
    check_sample(&mut checker, harness);
    check_heap(&mut checker, harness);
    check_accept(&mut checker, harness);
    variants::check(&mut checker, harness);
}

/// What is wrong with a way to count requests that stands in no file: each with its key, the message and what to do.
pub fn wrong_with_requests(requests: &RequestsConfig) -> Vec<(String, String)> {
    let mut problems = Problems::default();
    target::check_requests(&mut Checker { problems: &mut problems }, &KeyPath::of(&["requests"]), requests);
    let told = |problem: Problem| (problem.at.dotted(), format!("{}; {}", problem.message, problem.help));
    problems.into_list().into_iter().map(told).collect()
}

/// Collects problems.
struct Checker<'a> {
    problems: &'a mut Problems,
}

impl Checker<'_> {
    fn refuse(&mut self, at: KeyPath, message: impl Into<String>, help: impl Into<String>) {
        self.problems.refuse(at, message, help);
    }

    /// Whether the value at a place is what the file says.
    fn sound(&self, at: &KeyPath) -> bool {
        self.problems.sound(at)
    }

    fn command(&mut self, at: KeyPath, command: &[String]) {
        for (index, word) in command.iter().enumerate().filter(|(_, word)| word.contains('\0')) {
            self.refuse(at.index(index), format!("`{word}` holds a NUL character"), "no argument can; take it out");
        }
        match command.first() {
            None => self.refuse(at, "the command is empty", "write the program and its arguments as a list of texts"),
            Some(program) if program.is_empty() => {
                self.refuse(at.index(0), "the program's name is empty", "write the program's name or path");
            }
            Some(_) => {}
        }
    }

    fn url(&mut self, at: KeyPath, text: &str) {
        if !is_open(text)
            && let Some((message, help)) = not_a_url(text)
        {
            self.refuse(at, message, help);
        }
    }

    /// A regular expression that has these groups.
    fn pattern(&mut self, at: KeyPath, text: &str, groups: &[&str]) {
        if is_open(text) {
            return;
        }
        match Regex::new(text) {
            Err(error) => {
                let message = format!("this isn't a regular expression: {}", summary(&error));
                self.refuse(at, message, "single quotes ('...') keep backslashes as they are");
            }
            Ok(regex) => {
                for group in groups.iter().filter(|group| !regex.capture_names().flatten().any(|name| name == **group))
                {
                    let help = format!("write `(?P<{group}>...)` around the part that holds it");
                    self.refuse(at.clone(), format!("the regular expression has no group `{group}`"), help);
                }
            }
        }
    }

    /// A time that can be reckoned with, and isn't zero.
    fn positive(&mut self, at: KeyPath, span: Option<Span>) {
        if span.is_some_and(|Span(duration)| duration.is_zero()) {
            self.refuse(at, "this time is zero", "write a time above zero, such as `5s`");
        } else {
            self.bounded(at, span);
        }
    }

    /// A time that can be reckoned with.
    fn bounded(&mut self, at: KeyPath, span: Option<Span>) {
        if let Some(span) = span.filter(|Span(duration)| *duration > LONGEST) {
            let message = format!("{span} are longer than any run");
            self.refuse(at, message, format!("write at most `{}`", Span(LONGEST)));
        }
    }

    /// A number of requests.
    fn count(&mut self, at: KeyPath, count: Option<u64>) {
        if count == Some(0) {
            self.refuse(at, "this is zero", "write a number of at least 1, or leave the key out");
        } else if let Some(count) = count.filter(|count| *count > MOST_REQUESTS) {
            let message = format!("{count} requests are more than any run sends");
            self.refuse(at, message, format!("write at most {MOST_REQUESTS}"));
        }
    }

    fn no_control(&mut self, at: KeyPath, what: &str, text: &str) {
        if text.is_empty() {
            self.refuse(at, format!("the {what} is empty"), format!("write a {what}"));
        } else if text.chars().any(char::is_control) {
            self.refuse(at, format!("the {what} holds a control character"), "use printable characters");
        }
    }

    /// One of the known words.
    fn known(&mut self, at: KeyPath, what: &str, word: &str, known: &[&str]) {
        if known.contains(&word) {
            return;
        }
        self.refuse(at, unknown(what, word, known), format!("known: {}", listed(known)));
    }
}

/// The last line of a regular expression's error: the cause without the drawing.
fn summary(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim().trim_start_matches("error: ").to_owned()
}

fn check_name(checker: &mut Checker, name: &str) {
    let help = "use 1 to 64 letters, digits, `-`, `_` and `.`, with a letter or digit first";
    let fits = name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !fits {
        checker.refuse(KeyPath::of(&["name"]), format!("`{name}` isn't a name for a run directory"), help);
    }
}

/// Why a text isn't a URL that can be asked for, and what to write.
pub fn not_a_url(text: &str) -> Option<(String, String)> {
    let help = "expected a URL such as `http://127.0.0.1:8080`";
    // Its variables have no value yet, of which a port is the most that has to be parsed.
    let parsed = Url::parse(&text.replace("${port}", "1"));
    Some(match parsed {
        Ok(url) if url.scheme() == "http" => return None,
        Ok(url) if url.scheme() == "https" => {
            (format!("`{text}` is not plain HTTP"), "TLS isn't spoken here: use the port behind it".into())
        }
        Ok(_) => (format!("`{text}` doesn't begin with `http://`"), help.into()),
        Err(error) => (format!("`{text}` isn't a URL: {error}"), help.into()),
    })
}

fn check_gates(checker: &mut Checker, harness: &Harness) {
    let gates = &harness.gates;
    for (key, gate) in [("p50", gates.p50), ("p95", gates.p95), ("p99", gates.p99)] {
        let at = KeyPath::of(&["gates", key]);
        checker.positive(at.clone(), gate);
        let driver = match &harness.workload {
            Some(workload) if workload.command.is_some() => "when an external command drives the target",
            None if checker.sound(&KeyPath::of(&["workload"])) => "where nothing drives the target",
            _ => continue,
        };
        if gate.is_some() {
            let message = format!("`{key}` can't be measured {driver}");
            checker.refuse(at, message, "take it out, or drive the target with `base-url` and `[[workload.step]]`");
        }
    }
    if gates.error_rate.is_some() && harness.error_rate().is_none() && checker.sound(&KeyPath::of(&["workload"])) {
        let help = "take it out, or say how many requests were sent: the built-in driver does, a command by \
                    `command-requests`";
        checker.refuse(KeyPath::of(&["gates", "error-rate"]), "nothing counts the requests that are sent", help);
    }
}

fn check_heap(checker: &mut Checker, harness: &Harness) {
    const MEANS: RangeInclusive<u64> = 1 << 10..=1 << 30;
    if !MEANS.contains(&harness.heap.mean.0) {
        let help = "write a size from `1 KiB` to `1 GiB`; 64 KiB suits a run of minutes";
        checker.refuse(KeyPath::of(&["heap", "mean"]), "a sample for each allocation, or for none", help);
    }
}

/// Characters beside `*` with which a pattern means some sites, and not nearly all.
const LEAST_FIXED: usize = 4;

fn check_accept(checker: &mut Checker, harness: &Harness) {
    for (index, accepted) in harness.accept.iter().enumerate() {
        let at = KeyPath::of(&["accept"]).index(index);
        if harness.heap.mode == HeapMode::Off && checker.sound(&KeyPath::of(&["heap"])) {
            let help = "write `mode = \"preload\"` below `[heap]`, or give `--heap`";
            checker.refuse(at.clone(), "call sites aren't measured, so that none can be accepted", help);
        }
        checker.no_control(at.key("site"), "call site", &accepted.site);
        let known = harness.accept[..index].iter().any(|before| before.site == accepted.site);
        let fixed = accepted.site.chars().filter(|c| *c != '*' && !c.is_whitespace()).count();
        let is_broad = accepted.site.contains('*') && fixed < LEAST_FIXED;
        if !accepted.site.is_empty() && (is_broad || !accepted.site.contains(char::is_alphanumeric)) {
            let help = "name a site as reports do, such as `mod_upload.so: keep_body*`, with four characters or more beside `*`";
            checker.refuse(at.key("site"), "this accepts nearly whatever leaks", help);
        } else if known && checker.sound(&at.key("site")) {
            checker.refuse(at.key("site"), "this call site is accepted already", "take one of the two out");
        }
        checker.no_control(at.key("reason"), "reason", accepted.reason.trim());
    }
}

fn check_sample(checker: &mut Checker, harness: &Harness) {
    const SHORTEST: Duration = Duration::from_millis(10);
    let sample = &harness.sample;
    checker.bounded(KeyPath::of(&["sample", "every"]), Some(sample.every));
    checker.bounded(KeyPath::of(&["sample", "slow-every"]), Some(sample.slow_every));
    if sample.every.0 < SHORTEST {
        let help = "write `10ms` or more; 100ms is enough for nearly everything";
        checker.refuse(KeyPath::of(&["sample", "every"]), "readings this close disturb the target", help);
    }
    if sample.slow_every < sample.every && checker.sound(&KeyPath::of(&["sample", "every"])) {
        let help = format!("write `{}` or more", sample.every);
        checker.refuse(
            KeyPath::of(&["sample", "slow-every"]),
            "the slow readings come oftener than the fast ones",
            help,
        );
    }
    if sample.overhead.0 <= 0.0 {
        let help = "write a share such as `2%`";
        checker.refuse(KeyPath::of(&["sample", "overhead"]), "no reading costs nothing", help);
    }
}
