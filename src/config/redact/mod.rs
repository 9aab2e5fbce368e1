//! Texts as they may be stored or shown: without secrets.
//!
//! [`without_secrets`] is the one function for it. What is secret is known in two ways: by the values themselves
//! ([`known`]: of `${env:...}`, and of the environment, ours and the target's, where they look secret), and by rules ([`rules`]:
//! names that sound like a secret, passwords in URLs, credentials in headers and options; [`programs`]: arguments of some
//! programs).
//!
//! Of the harness file, all values of the target's environment and of `${env:...}` are left out, whatever they look like.

mod known;
mod programs;
mod rules;

pub use known::{keep_header, keep_own_secrets, keep_secret, keep_secrets_in, keep_secrets_of, redact_also};
pub use rules::redacted_words;

use super::Harness;
use super::problem::{Key, KeyPath, Problems};
use super::resolve::replaced;
use super::setting::Setting;
use super::variables::{Variable, Variables};
use rules::{is_secret_name, redacted_word};

/// What stands where a secret was.
pub const REDACTED: &str = "[redacted]";

/// A text as it may be stored or shown.
pub fn without_secrets(text: &str) -> String {
    rules::apply(&known::hide(text))
}

/// The harness as it may be stored, its variables replaced except `${env:...}`: pass it as it was loaded, before
/// [`resolve`](super::resolve) has put the environment's values into it.
pub fn redacted(harness: &Harness, variables: &Variables) -> Harness {
    let mut stored = replaced(harness, &mut Problems::default(), |variable| match variable {
        Variable::Env(name) => Ok(format!("${{env:{name}}}")),
        other => other.value(variables).or_else(|_| Ok("?".to_owned())),
    });
    // The texts of the list so far, and the place of the next: in a command, an option is followed by its value.
    let (mut before, mut next): (Vec<String>, Option<KeyPath>) = (Vec::new(), None);
    stored.texts(&KeyPath::default(), &mut |at, text| {
        if next.as_ref() != Some(at) {
            before.clear();
        }
        next = next_word(at);
        let word = text.clone();
        *text = if is_secret_place(at) { REDACTED.to_owned() } else { redacted_word(&before, &word) };
        before.push(word);
    });
    stored
}

/// Whether the value at this place is a secret whatever it says.
fn is_secret_place(at: &KeyPath) -> bool {
    match &at.0[..] {
        // Of the target, of a service, of a variant or a module.
        [.., Key::Name(env), Key::Name(_)] if env == "env" => true,
        [Key::Name(_), Key::Name(_), Key::Index(_), Key::Name(headers), Key::Name(name)] => {
            headers == "headers" && is_secret_name(name)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, parse};
    use std::collections::BTreeMap;

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
[services.database]
command = ["db", "--password", "s3cret-r"]
env = { ROOT = "s3cret-s" }
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
}
