//! The harness as it may be stored: without secrets.
//!
//! Left out are all values of the target's environment and of `${env:...}`, headers that carry credentials, passwords
//! in URLs, and whatever a text assigns to a name that sounds like a secret.

use super::Harness;
use super::problem::{Key, KeyPath};
use super::resolve::{for_each_text, replaced, to_json};
use super::variables::{Variable, Variables};
use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

/// What stands where a secret was.
pub const REDACTED: &str = "[redacted]";

/// The harness as it may be stored, its variables replaced except `${env:...}`: pass it as it was loaded, before
/// [`resolve`](super::resolve) has put the environment's values into it.
pub fn redacted(harness: &Harness, variables: &Variables) -> Value {
    let filled = replaced(harness, |variable| match variable {
        Variable::Env(name) => Ok(format!("${{env:{name}}}")),
        other => other.value(variables).or_else(|_| Ok("?".to_owned())),
    });
    let mut json = to_json(filled.as_ref().unwrap_or(harness));
    let mut secret_follows = None;
    for_each_text(&mut json, &KeyPath::default(), &mut |at, text| {
        let follows = secret_follows.take() == Some(at.clone());
        if follows || is_secret_place(at) {
            *text = REDACTED.to_owned();
        } else {
            secret_follows = next_word(at).filter(|_| is_secret_option(text));
            *text = without_secrets(text);
        }
    });
    json
}

/// Whether the value at this place is a secret whatever it says.
fn is_secret_place(at: &KeyPath) -> bool {
    match &at.0[..] {
        [Key::Name(target), Key::Name(env), Key::Name(_)] => target == "target" && env == "env",
        [Key::Name(variants), _, Key::Name(env), Key::Name(_)] if variants == "variants" => env == "env",
        [Key::Name(modules), _, Key::Name(off), Key::Name(env), Key::Name(_)] => {
            modules == "modules" && off == "off" && env == "env"
        }
        [Key::Name(_), Key::Name(_), Key::Index(_), Key::Name(headers), Key::Name(name)] => {
            headers == "headers" && SECRET_NAME.is_match(name)
        }
        _ => false,
    }
}

/// The place of the word after this one, in a command.
fn next_word(at: &KeyPath) -> Option<KeyPath> {
    match at.0.split_last() {
        Some((Key::Index(index), rest)) => Some(KeyPath(rest.to_vec()).index(index + 1)),
        _ => None,
    }
}

/// Whether the word of a command is an option whose value, the next word, is a secret: `--password`.
fn is_secret_option(word: &str) -> bool {
    word.starts_with('-') && !word.contains(['=', ':', ' ']) && SECRET_NAME.is_match(word)
}

const SECRET: &str =
    "authorization|cookie|token|secret|passw(?:or)?d|passphrase|api[-_]?key|access[-_]?key|credential|signature";

static SECRET_NAME: LazyLock<Regex> = LazyLock::new(|| pattern(&format!("(?i){SECRET}")));
/// `user:password@` in a URL; the scheme stays.
static USER_INFO: LazyLock<Regex> = LazyLock::new(|| pattern(r"://[^/?#\s@]*@"));
/// `Authorization: Bearer abc`, to the end of the line.
static HEADER: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r"(?im)([\w-]*(?:{SECRET})[\w-]*\s*:\s*)[^\s'\x22].*$")));
/// `token=abc`, `"token": "abc"`.
static ASSIGNED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(r#"(?i)([\w-]*(?:{SECRET})[\w-]*["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^&;,\s"']+)"#))
});

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a fixed pattern, compiled by a test")
}

/// A command line as it may be stored.
pub fn redacted_words(words: &[String]) -> Vec<String> {
    let after_option = [false].into_iter().chain(words.iter().map(|word| is_secret_option(word)));
    let redact = |(secret, word): (bool, &String)| if secret { REDACTED.to_owned() } else { without_secrets(word) };
    after_option.zip(words).map(redact).collect()
}

/// A text as it may be stored.
pub fn without_secrets(text: &str) -> String {
    let text = USER_INFO.replace_all(text, format!("://{REDACTED}@"));
    let text = HEADER.replace_all(&text, format!("${{1}}{REDACTED}"));
    ASSIGNED.replace_all(&text, format!("${{1}}{REDACTED}")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, parse};
    use std::collections::BTreeMap;

    #[test]
    fn command_lines_are_stored_without_their_secrets() {
        let words = ["x", "--password", "a1", "--token=b2", "http://joe:c3@host/"].map(str::to_owned);
        assert_eq!(
            redacted_words(&words).join(" "),
            "x --password [redacted] --token=[redacted] http://[redacted]@host/"
        );
    }

    #[test]
    fn nothing_secret_is_left() {
        let text = r#"
name = "shop"
[target]
command = ["run", "--password", "s3cret-a", "--token=s3cret-b", "--port", "${port}", "${env:KEY}"]
prepare = [["curl", "-H", "Authorization: Bearer s3cret-c", "http://joe:s3cret-d@127.0.0.1/"]]
ready = { http = "http://127.0.0.1/health?api_key=s3cret-e&verbose=1" }
[target.env]
DB = "s3cret-f"
[workload]
base-url = ["http://joe:s3cret-g@127.0.0.1:${port}"]
concurrency = 1
[[workload.step]]
name = "upload"
method = "POST"
path = "/upload?access_token=s3cret-h&size=1"
body = { text = '{"user": "joe", "password": "s3cret-i"}' }
[workload.step.headers]
Authorization = "Basic s3cret-j"
Cookie = "s3cret-k"
X-API-Key = "s3cret-l"
X-Session-Token = "s3cret-m"
Accept = "text/html"
[[phase]]
kind = "soak"
duration = "1s"
[variants.old.env]
DB = "s3cret-o"
[modules.cache.off]
env = { DB = "s3cret-p" }
command = ["run", "--password", "s3cret-q"]
"#;
        let harness = parse(text, "shop.toml", &Overrides::default()).unwrap();
        let variables = Variables {
            ports: [(String::new(), 8001)].into(),
            env: BTreeMap::from([("KEY".to_owned(), "s3cret-n".to_owned())]),
            ..Variables::default()
        };
        let stored = serde_json::to_string_pretty(&redacted(&harness, &variables)).unwrap();
        assert!(!stored.contains("s3cret"), "{stored}");
        insta::assert_snapshot!(stored);
    }

    #[test]
    fn plain_words_stay() {
        for text in ["/upload?size=1&name=a", "httpd -DFOREGROUND -f /etc/httpd.conf", "http://127.0.0.1:80/a@b"] {
            assert_eq!(without_secrets(text), text);
        }
    }
}
