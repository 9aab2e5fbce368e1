//! Secrets that are known by their values: they are hidden wherever they appear, in whatever form.
//!
//! The list is the process's, as the environment is: a value that was once resolved is secret in every text from then on.

use super::REDACTED;
use super::rules::is_secret_name;
use crate::config::{Harness, Variables};
use regex::Regex;
use std::borrow::Cow;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

/// Values shorter than this are not looked for: a `1` or an `on` is in every text, and hides nothing.
const SHORTEST: usize = 4;

/// Shorter ones than this are hidden where they are whole words, longer ones anywhere.
const ANYWHERE: usize = 8;

/// A value of an environment variable that is as long as this and mixes letters and digits is taken for a token.
const TOKEN: usize = 20;

/// Characters that are looked for together; a longer value is looked for in pieces.
const LONGEST: usize = 1024;

/// Values of switches, such as `USE_AUTH`: they are in every text too.
const SWITCHES: [&str; 12] = [
    "true", "false", "none", "null", "auto", "default", "enabled", "disabled", "optional", "required", "always",
    "never",
];

/// Variables whose names sound like a secret and whose values are none: where one is, and what one sits at.
const OPEN: [&str; 4] = ["PWD", "OLDPWD", "DESKTOP_SESSION", "XDG_SESSION"];

static KNOWN: RwLock<Known> = RwLock::new(Known { secrets: Vec::new(), rules: Vec::new() });

struct Known {
    /// The longest first: one may be a part of another.
    secrets: Vec<Secret>,
    /// The user's own rules.
    rules: Vec<Regex>,
}

struct Secret {
    value: String,
    /// What stands for it.
    stands: String,
    /// How it may be written.
    written: Regex,
}

/// From now on the values of `${env:...}` are hidden: their names stand for them.
pub fn keep_secrets_in(variables: &Variables) {
    variables.env.iter().for_each(|(name, value)| keep(value, &format!("${{env:{name}}}")));
}

/// From now on the values in the environments of target and services and in the headers of the workload that look secret are hidden.
pub fn keep_secrets_of(harness: &Harness) {
    let services = || harness.services.values();
    let names = harness.target.pass_env.iter().chain(services().flat_map(|service| &service.pass_env));
    let passed = names.filter_map(|name| Some((name.clone(), std::env::var(name).ok()?)));
    let set = [&harness.target.env].into_iter().chain(services().map(|service| &service.env)).flatten();
    let set = set.map(|(name, value)| (name.clone(), value.clone()));
    let headers = harness.steps().iter().flat_map(|step| step.headers.clone());
    for (name, value) in passed.chain(set).chain(headers) {
        keep_if_secret(&name, &value);
    }
}

/// From now on this value is hidden: it was given to us as a secret.
pub fn keep_secret(value: &str) {
    keep(value, REDACTED);
}

/// From now on the value of a header is hidden, if it looks secret.
pub fn keep_header(name: &str, value: &str) {
    keep_if_secret(name, value);
}

/// From now on the values of variables of our own environment that have a secret's name are hidden: whatever is started,
/// or writes to us, may know them from elsewhere.
pub fn keep_own_secrets() {
    let variables =
        std::env::vars_os().filter_map(|(name, value)| name.into_string().ok().zip(value.into_string().ok()));
    variables
        .filter(|(name, value)| is_secret(name, value) && !Path::new(value).is_absolute())
        .for_each(|(name, value)| keep(&value, &format!("${{env:{name}}}")));
}

fn keep_if_secret(name: &str, value: &str) {
    if is_secret(name, value) || looks_like_a_token(value) {
        keep(value, REDACTED);
    }
}

/// Whether a variable or a header with this name has a secret for its value.
fn is_secret(name: &str, value: &str) -> bool {
    is_secret_name(name) && !OPEN.contains(&name) && !SWITCHES.contains(&value.to_ascii_lowercase().as_str())
}

/// From now on whatever matches this regular expression is hidden.
///
/// # Errors
/// If it isn't one, or matches an empty text, and so would be between all letters. The message doesn't repeat it: it may hold
/// a secret itself.
pub fn redact_also(rule: &str) -> Result<(), String> {
    let compiled = Regex::new(rule).map_err(|error| {
        // The lines before the last one show the expression.
        let text = error.to_string();
        let what = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("it isn't a regular expression: {what} (it isn't shown, as it may hold a secret)")
    })?;
    if ["", "a 1"].iter().any(|text| compiled.find_iter(text).any(|found| found.is_empty())) {
        return Err("it matches an empty text, and would hide everything; is it an unset variable?".into());
    }
    KNOWN.write().unwrap_or_else(PoisonError::into_inner).rules.push(compiled);
    Ok(())
}

/// The text without the values that are known.
pub(super) fn hide(text: &str) -> Cow<'_, str> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let mut hidden = Cow::Borrowed(text);
    for secret in &known.secrets {
        if secret.written.is_match(&hidden) {
            hidden = Cow::Owned(secret.hidden_in(&hidden));
        }
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
    for part in [value].into_iter().chain(lines).map(str::trim) {
        let characters: Vec<char> = part.chars().collect();
        for piece in characters.chunks(LONGEST).map(|piece| piece.iter().collect::<String>()) {
            if piece.len() < SHORTEST || known.secrets.iter().any(|secret| secret.value == piece) {
                continue;
            }
            // The names of hosts are shown in lower case.
            let case = if piece.len() >= ANYWHERE { "(?i)" } else { "" };
            let written =
                Regex::new(&format!("{case}{}", pattern(&piece))).or_else(|_| Regex::new(&regex::escape(&piece)));
            let Ok(written) = written else { continue };
            let place = known.secrets.partition_point(|secret| secret.value.len() >= piece.len());
            known.secrets.insert(place, Secret { value: piece, stands: stands.to_owned(), written });
        }
    }
}

impl Secret {
    /// Replaces it: what is short only where it is a word.
    fn hidden_in(&self, text: &str) -> String {
        let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for found in self.written.find_iter(text) {
            let (before, after) = (text[..found.start()].chars().next_back(), text[found.end()..].chars().next());
            if found.len() >= ANYWHERE || (!is_part(before) && !is_part(after)) {
                out.push_str(&text[from..found.start()]);
                out.push_str(&self.stands);
                from = found.end();
            }
        }
        out.push_str(&text[from..]);
        out
    }
}

/// The pattern of a value however it is written: each of its characters by itself may be encoded.
fn pattern(value: &str) -> String {
    value.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_string() } else { encodings(c) }).collect()
}

/// A character as it is or behind backslashes, in a URL, in JSON, in texts of a program or of a shell, in HTML; also encoded
/// more than once.
fn encodings(c: char) -> String {
    let (code, plain) = (u32::from(c), regex::escape(&c.to_string()));
    let bytes = |prefix: &str| c.to_string().bytes().map(|byte| format!("{prefix}{byte:02x}")).collect::<String>();
    let units = c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!(r"\\+u{unit:04x}")).collect::<String>();
    let mut ways = vec![
        format!(r"\\*{plain}"),
        format!("(?i:{})", bytes("%(?:25)*")),
        format!("(?i:{})", bytes(r"\\+x")),
        format!(r"(?i:{units}|\\+u\{{0*{code:x}\}}|\\+U{code:08x}|\\+x{code:02x})"),
        format!("(?i:&(?:amp;)*#(?:0*{code}|x0*{code:x});)"),
    ];
    ways.extend(
        match c {
            ' ' => Some(r"\+"),
            '\n' => Some(r"\\+n"),
            '\r' => Some(r"\\+r"),
            '\t' => Some(r"\\+t"),
            '&' => Some("&(?:amp;)+"),
            '<' => Some("&(?:amp;)*lt;"),
            '>' => Some("&(?:amp;)*gt;"),
            '"' => Some("&(?:amp;)*quot;|\"\""),
            '\'' => Some(r#"&(?:amp;)*apos;|'\\+''|'"'"'|''"#),
            _ => None,
        }
        .map(str::to_owned),
    );
    format!("(?:{})", ways.join("|"))
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
            // Python's `quote`, `quote_plus` and `html.escape`, PHP's `json_encode`, JavaScript's `encodeURI`.
            "kn0wn/%22v%3Cl%26e%27%20x%5Cy".into(),
            "kn0wn%2F%22v%3Cl%26e%27+x%5Cy".into(),
            "kn0wn/&quot;v&lt;l&amp;e&#x27; x\\y".into(),
            "kn0wn\\/\\\"v<l&e' x\\\\y".into(),
            "kn0wn/%22v%3Cl&e'%20x%5Cy".into(),
            // The host of a URL.
            value.to_ascii_uppercase(),
            // Twice.
            "kn0wn%252F%2522v%253Cl%2526e%2527%2520x%255Cy".into(),
            serde_json::to_string(&serde_json::to_string(value).unwrap()).unwrap(),
            "kn0wn/&amp;quot;v&amp;lt;l&amp;amp;e&amp;#39; x\\y".into(),
        ] {
            let hidden = without_secrets(&text);
            assert!(
                hidden.contains("${env:KNOWN_FORMS}") && !hidden.to_ascii_lowercase().contains("kn0wn"),
                "{text} -> {hidden}"
            );
        }
    }

    #[test]
    fn a_known_value_is_hidden_whatever_its_alphabet() {
        keep_value("KNOWN_UNI", "geh\u{e9}im\u{1f511}x");
        for text in [
            "geh\u{e9}im\u{1f511}x",
            r"geh\u00e9im\ud83d\udd11x",
            r"geh\u00E9im\uD83D\uDD11x",
            r"geh\xe9im\U0001f511x",
            r"geh\u{e9}im\u{1f511}x",
            r"geh\xc3\xa9im\xf0\x9f\x94\x91x",
            "geh%C3%A9im%f0%9f%94%91x",
            "geh&#233;im&#x1F511;x",
        ] {
            assert_eq!(without_secrets(text), "${env:KNOWN_UNI}", "{text}");
        }
    }

    #[test]
    fn a_value_of_any_length_is_hidden() {
        let value: String = (0..500).map(|n| format!("l0ng-{n}/")).collect();
        keep_value("KNOWN_LONG", &value);
        assert!(!without_secrets(&format!("x {value} y {}", value.replace('/', "%2F"))).contains("l0ng"));
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
        keep_if_secret("KNOWN_USE_AUTH", "true");
        keep_if_secret("PWD", "/where/one-is");
        let hidden = without_secrets("plainmode short-one-77 a1b2c3d4e5f6a7b8c9d0 true /where/one-is");
        assert_eq!(hidden, "plainmode [redacted] [redacted] true /where/one-is");
    }

    #[test]
    fn a_rule_of_the_users_hides_all_that_it_matches() {
        redact_also("customer-[0-9]+-zz").unwrap();
        assert_eq!(without_secrets("of customer-17-zz, customer-x"), "of [redacted], customer-x");
    }

    #[test]
    fn a_rule_that_is_none_is_refused_and_not_repeated() {
        for rule in [
            "S3cr(tPW",
            "S3cr\n[tPW",
            "S3crtPW{2,1}",
            "(?P<S3cr>x)(?P<S3cr>y)",
            r"S3cr\p{tPW}",
            "*S3cr",
            "S3cr{99999}{99999}",
        ] {
            let error = redact_also(rule).unwrap_err();
            assert!(error.contains("isn't a regular expression: ") && !error.contains("S3cr"), "{error}");
            assert!(!error.contains("tPW") && error.len() > 60, "{error}");
        }
        for rule in ["", "x*", "(?:)", "^", "$", r"\b", r"\B", "(?:secret)?", "|a"] {
            assert!(redact_also(rule).unwrap_err().contains("matches an empty text"), "{rule}");
        }
    }
}
