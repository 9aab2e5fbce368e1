//! Secrets that are known by their values: they are hidden wherever they appear, in whatever form.
//!
//! The list is the process's, as the environment is: a value that was once resolved is secret in every text from then on.

use super::REDACTED;
use super::rules::is_secret_name;
use crate::config::{Harness, Variables};
use regex::Regex;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

/// Values shorter than this are not looked for: a `1` or an `on` is in every text, and hides nothing.
const SHORTEST: usize = 4;

/// Shorter ones than this are hidden where they are whole words, longer ones anywhere.
const ANYWHERE: usize = 8;

/// A value of an environment variable that is as long as this and mixes letters and digits is taken for a token.
const TOKEN: usize = 20;

static KNOWN: RwLock<Known> = RwLock::new(Known { forms: BTreeMap::new(), rules: Vec::new() });

struct Known {
    /// How a secret may be written, and what stands for it.
    forms: BTreeMap<String, String>,
    /// The user's own rules.
    rules: Vec<Regex>,
}

/// From now on the values of `${env:...}` are hidden: their names stand for them.
pub fn keep_secrets_in(variables: &Variables) {
    variables.env.iter().for_each(|(name, value)| keep(value, &format!("${{env:{name}}}")));
}

/// From now on the values in the target's environment and in the headers of the workload that look secret are hidden.
pub fn keep_secrets_of(harness: &Harness) {
    let target = &harness.target;
    let passed = target.pass_env.iter().filter_map(|name| Some((name.clone(), std::env::var(name).ok()?)));
    let headers = harness.workload.steps.iter().flat_map(|step| step.headers.clone());
    for (name, value) in passed.chain(target.env.clone()).chain(headers) {
        keep_if_secret(&name, &value);
    }
}

fn keep_if_secret(name: &str, value: &str) {
    if is_secret_name(name) || looks_like_a_token(value) {
        keep(value, REDACTED);
    }
}

/// From now on whatever matches is hidden.
pub fn redact_also(rule: Regex) {
    KNOWN.write().unwrap_or_else(PoisonError::into_inner).rules.push(rule);
}

/// The text without the values that are known.
pub(super) fn hide(text: &str) -> Cow<'_, str> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let mut hidden = Cow::Borrowed(text);
    let mut present: Vec<_> = known.forms.iter().filter(|(form, _)| text.contains(form.as_str())).collect();
    // One may be a part of another.
    present.sort_by_key(|(form, _)| std::cmp::Reverse(form.len()));
    for (form, stands) in present {
        hidden = Cow::Owned(replaced(&hidden, form, stands));
    }
    for rule in &known.rules {
        if let Cow::Owned(changed) = rule.replace_all(&hidden, regex::NoExpand(REDACTED)) {
            hidden = Cow::Owned(changed);
        }
    }
    hidden
}

fn keep(value: &str, stands: &str) {
    let lines = value.lines().filter(|line| line.trim().len() >= ANYWHERE);
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    // A key of several lines may be shown line by line.
    for part in [value].into_iter().chain(lines).map(str::trim).filter(|part| part.len() >= SHORTEST) {
        for form in forms(part) {
            known.forms.entry(form).or_insert_with(|| stands.to_owned());
        }
    }
}

/// How a value may be written: as it is, in a URL, in JSON, in quotes of a program or of a shell, in HTML.
fn forms(value: &str) -> Vec<String> {
    let mut forms = vec![value.to_owned(), url::form_urlencoded::byte_serialize(value.as_bytes()).collect()];
    let percent = |plain: &str| {
        let encode = |byte: u8| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ if plain.as_bytes().contains(&byte) => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        };
        value.bytes().map(encode).collect::<String>()
    };
    // All that needs it, and all that JavaScript does.
    forms.extend([percent("-_.~"), percent("-_.~!'()*")]);
    if let Ok(mut url) = url::Url::parse("http://host/") {
        url.set_query(Some(value));
        forms.extend(url.query().map(str::to_owned));
        url.set_path(value);
        forms.push(url.path().trim_start_matches('/').to_owned());
        if url.set_password(Some(value)).is_ok() {
            forms.extend(url.password().map(str::to_owned));
        }
    }
    let lower: Vec<String> = forms.iter().filter(|form| form.contains('%')).map(|form| lower_hex(form)).collect();
    forms.extend(lower);
    forms.push(serde_json::Value::from(value).to_string().trim_matches('"').to_owned());
    forms.push(format!("{value:?}").trim_matches('"').to_owned());
    forms.push(value.replace('\'', r"'\''"));
    forms.push(value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"));
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

/// `%2f` for `%2F`.
fn lower_hex(form: &str) -> String {
    let mut parts = form.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    let lower =
        |part: &str| part.chars().enumerate().map(|(i, c)| if i < 2 { c.to_ascii_lowercase() } else { c }).collect();
    [first].into_iter().chain(parts.map(lower)).collect::<Vec<String>>().join("%")
}

/// Replaces what is known: a short one only where it is a word.
fn replaced(text: &str, form: &str, stands: &str) -> String {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in text.match_indices(form) {
        let end = at + form.len();
        let word = !is_part(text[..at].chars().next_back()) && !is_part(text[end..].chars().next());
        if word || form.len() >= ANYWHERE {
            out.push_str(&text[from..at]);
            out.push_str(stands);
            from = end;
        }
    }
    out.push_str(&text[from..]);
    out
}

/// Whether a value is long and random enough to be a token: no words, no path, no URL.
fn looks_like_a_token(value: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-+/=.".contains(c);
    value.len() >= TOKEN
        && value.chars().all(fits)
        && !value.starts_with(['/', '.'])
        && value.contains(|c: char| c.is_ascii_digit())
        && value.contains(|c: char| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::super::without_secrets;
    use super::*;

    fn keep_value(name: &str, value: &str) {
        keep_secrets_in(&Variables { env: [(name.to_owned(), value.to_owned())].into(), ..Variables::default() });
    }

    #[test]
    fn a_known_value_is_hidden_in_every_form() {
        let value = "kn0wn/\"v<l&e' x\\y";
        keep_value("KNOWN_FORMS", value);
        let url = url::Url::parse_with_params("http://h/", [("q", value)]).unwrap();
        let form: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        for text in [
            format!("plain {value}"),
            format!("{value:?}"),
            serde_json::to_string(&[value]).unwrap(),
            url.to_string(),
            form,
            "kn0wn%2F%22v%3Cl%26e%27%20x%5Cy".into(),
            "kn0wn%2f%22v%3cl%26e%27%20x%5cy".into(),
            format!("'{}'", value.replace('\'', r"'\''")),
            "kn0wn/&quot;v&lt;l&amp;e' x\\y".into(),
        ] {
            let hidden = without_secrets(&text);
            assert!(hidden.contains("${env:KNOWN_FORMS}") && !hidden.contains("kn0wn"), "{text} -> {hidden}");
        }
    }

    #[test]
    fn a_key_of_several_lines_is_hidden_line_by_line() {
        keep_value("KNOWN_LINES", "-----first-line-of-it\nsecond-line-of-it\n");
        assert_eq!(without_secrets("x second-line-of-it y"), "x ${env:KNOWN_LINES} y");
    }

    #[test]
    fn short_values_are_hidden_as_words_and_very_short_ones_not_at_all() {
        keep_value("KNOWN_SHORT", "qzjv");
        keep_value("KNOWN_TINY", "zq9");
        assert_eq!(without_secrets("a qzjv, xqzjv qzjvx zq9"), "a ${env:KNOWN_SHORT}, xqzjv qzjvx zq9");
    }

    #[test]
    fn values_of_the_target_are_hidden_if_they_look_secret() {
        keep_if_secret("KNOWN_MODE", "plainmode");
        keep_if_secret("KNOWN_DB_PASS", "short-one-77");
        keep_if_secret("KNOWN_ID", "a1b2c3d4e5f6a7b8c9d0");
        let hidden = without_secrets("plainmode short-one-77 a1b2c3d4e5f6a7b8c9d0");
        assert_eq!(hidden, "plainmode [redacted] [redacted]");
    }

    #[test]
    fn a_rule_of_the_users_hides_all_that_it_matches() {
        redact_also(Regex::new("customer-[0-9]+-zz").unwrap());
        assert_eq!(without_secrets("of customer-17-zz, customer-x"), "of [redacted], customer-x");
    }
}
