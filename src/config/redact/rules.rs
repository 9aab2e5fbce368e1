//! Secrets that are known by where they stand: beside a name that sounds like one, in a URL, after an option.

use super::{REDACTED, programs, without_secrets};
use regex::{Captures, Regex};
use std::sync::LazyLock;

/// Whatever has one of these in its name is secret.
const STRONG: &str = "authorization|cookie|token|secret|passw(?:or)?d|passphrase|api[-_]?key|access[-_]?key|credential|\
                      signature|pgpass";

/// These only as a whole name, or as its last part: `key=`, `PIN=` and `X-Auth`, but not `monkey=`, `spin=`, `author=`, `bypass=`.
const WEAK: &str = "(?:[\\w.-]*[_.-])?(?:pass|pwd|pw|sig|jwt|sid|o?auth2?|session|bearer|passkey|passcode|psk|creds?|pat|t?otp|\
                     pin|dsn|hmac|salt|webhook(?:[-_]url)?|connection[-_]?string|pass(?:in|out)|masterauth)\
                    |(?:[\\w.-]*[_.-])?(?:require|store|key|ssh|user|root|admin|db|smtp|ldap|proxy|master|vault)pass\
                    |[\\w.-]*sess(?:ion)?[-_]?id\
                    |(?:[\\w.-]*[_.-])?(?:auth|secret|private|sign(?:ing)?|encrypt(?:ion)?|master|account|licen[cs]e|service|\
                     storage|shared|session|ssh|hmac)[-_]?key\
                    |key\
                    |(?-i:[a-z][a-z0-9]*(?:Pass|Pwd|Sig|Jwt|Auth|Sid|Creds|Otp|Pin|Dsn|Salt))";

static SECRET_NAME: LazyLock<Regex> = LazyLock::new(|| pattern(&format!("(?i)(?:{STRONG})|^(?:{WEAK})$")));

/// `user:password@` in a URL; the scheme stays.
static USER_INFO: LazyLock<Regex> = LazyLock::new(|| pattern(r"://[^/?#\s@]*@"));

/// The same without a scheme: `user:password@host`. Digests of images and addresses of mail look like it.
static USER_AT_HOST: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"(?m)((?:^|[\s"'`(=,])([\w.+-]+):)[^\s/@"'`]+@(sha\d+:)?"#));

/// What stands beside a name, and the rest of what it matches is kept: each has its secret last.
static BESIDE: LazyLock<[Regex; 7]> = LazyLock::new(|| {
    let value = r#"(?:(?:bearer|basic)\s+)?(?:\[redacted\]|\\"[^"\\]*\\"|"[^"]*"|'[^']*'|[^&;,\s"']+)"#;
    let strong = format!(r"[\w-]*(?:{STRONG})[\w-]*");
    [
        // `Authorization: Bearer abc`, to the end of the line.
        format!(r"(?im)({strong}\s*:\s*)[^\s'\x22\\].*$"),
        format!(r#"(?im)((?:^\s*|["']|(?:^|\s)(?:-H|--(?:proxy-)?header)[\s=]*)(?:{WEAK})\s*:\s*)[^\s'"\\].*$"#),
        // `X-Auth: abc`, which no text has but for a header.
        r#"(?im)(\bX-(?:[\w-]+-)?(?:auth|session|key|sid|sig|jwt|pass|pwd|otp|pin)(?:-[\w-]+)?\s*:\s*)[^\s'"\\].*$"#
            .to_owned(),
        // `token=abc`, `"token": "abc"`, `\"token\": \"abc\"`.
        format!(r#"(?i)({strong}\\?["']?\s*[=:]\s*){value}"#),
        format!(r#"(?im)((?:^|[^\w.-])(?:{WEAK})(?:\\?["']?\s*=\s*|\\?["']\s*:\s*)){value}"#),
        // `--password abc`.
        format!(r#"(?im)((?:^|[\s"'])--?(?:{strong}|{WEAK})\s+){value}"#),
        // `-u joe:abc`.
        r#"(?m)((?:^|[\s"'])(?:-u|-U|--user|--proxy-user)(?:\s+|=)?["']?[^\s:"'=]+:)[^\s"']+"#.to_owned(),
    ]
    .map(|text| pattern(&text))
});

/// Tokens that are known by their own look, and private keys.
static TOKENS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_\w{20,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|\bxox[abprs]-[\w-]{10,}|\bglpat-[\w-]{16,}",
    )
});

/// `Bearer abc`, wherever it stands.
static BEARER: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)(\bbearer\s+)[\w.~+/=-]{16,}"));

/// An option whose value, the next word, is a user and a password.
const USER_OPTIONS: [&str; 4] = ["-u", "-U", "--user", "--proxy-user"];

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a fixed pattern, compiled by a test")
}

/// The text without what the rules find.
pub(super) fn apply(text: &str) -> String {
    let mut text = USER_INFO.replace_all(text, format!("://{REDACTED}@")).into_owned();
    if USER_AT_HOST.is_match(&text) {
        let hide = |found: &Captures<'_>| match (&found[2], found.get(3)) {
            ("mailto", _) | (_, Some(_)) => found[0].to_owned(),
            _ => format!("{}{REDACTED}@", &found[1]),
        };
        text = USER_AT_HOST.replace_all(&text, hide).into_owned();
    }
    text = programs::hide(text);
    for rule in BESIDE.iter().chain([&*BEARER]) {
        if rule.is_match(&text) {
            text = rule.replace_all(&text, format!("${{1}}{REDACTED}")).into_owned();
        }
    }
    TOKENS.replace_all(&text, REDACTED).into_owned()
}

/// Whether a name sounds like that of a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    SECRET_NAME.is_match(name)
}

/// A word of a command as it may be stored, given the words before.
pub(super) fn redacted_word(before: &[String], word: &str) -> String {
    match before.last().map(String::as_str) {
        Some(option) if is_secret_option(option) => REDACTED.to_owned(),
        Some(option) if USER_OPTIONS.contains(&option) && word.contains(':') => {
            format!("{}:{REDACTED}", word.split(':').next().unwrap_or_default())
        }
        _ => programs::hidden(before, word).unwrap_or_else(|| without_secrets(word)),
    }
}

/// A command line as it may be stored.
pub fn redacted_words(words: &[String]) -> Vec<String> {
    words.iter().enumerate().map(|(place, word)| redacted_word(&words[..place], word)).collect()
}

/// Whether the word of a command is an option whose value, the next word, is a secret: `--password`.
fn is_secret_option(word: &str) -> bool {
    word.starts_with('-') && !word.contains(['=', ':', ' ']) && is_secret_name(word.trim_start_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_stored_without_their_secrets() {
        let words = "x --password a1 --token=b2 http://joe:c3@host/ --pwd d4 -u joe:e5 --port 80 -p 81";
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        assert_eq!(
            redacted_words(&words).join(" "),
            "x --password [redacted] --token=[redacted] http://[redacted]@host/ --pwd [redacted] -u joe:[redacted] \
             --port 80 -p 81"
        );
    }

    #[test]
    fn whatever_sounds_like_a_secret_is_hidden() {
        for text in [
            "PGPASS=s3cret x",
            "DB_PASS=s3cret",
            "dbPass=s3cret",
            "MYSQL_PWD=s3cret",
            "http://h/?a=1&sig=s3cret&b=2",
            "jwt=s3cret; path=/",
            "auth=s3cret",
            "sid=s3cret",
            "PHPSESSID=s3cret",
            "pass=s3cret",
            "key=s3cret",
            "pw='s3cret and more'",
            "X-Auth: s3cret more",
            "curl -H 'X-Auth-Key: s3cret' /",
            "Session: s3cret",
            r#"{"user": "joe", "pass": "s3cret"}"#,
            r#"{\"password\": \"s3cret\"}"#,
            r#"{\"pw\": \"s3cret\"}"#,
            "sh -c curl --pwd s3cret /",
            "curl -u joe:s3cret /",
            "curl -ujoe:s3cret /",
            "curl --user=joe:s3cret /",
            "note: Authorization: Bearer s3cret",
            "got Bearer s3cret-0123456789abc back",
            "signing_key=s3cret",
            "DB_CREDS=s3cret",
            "MY_CREDS='s3cret and more'",
            "SSHPASS=s3cret",
            "GITHUB_PAT=s3cret",
            "HMAC=s3cret",
            "OTP=s3cret",
            "userPin=s3cret",
            "pin=s3cret",
            "SALT=s3cret",
            "SENTRY_DSN=s3cret",
            "SLACK_WEBHOOK_URL=s3cret",
            r#"{"pin": "s3cret"}"#,
            "x --otp s3cret",
            "the command `curl -H X-Auth: s3cret http://h/` failed",
            "curl --header Session: s3cret http://h/",
            "curl --proxy-header=X-Auth-Email-Key: s3cret http://h/",
            "it said X-Session: s3cret",
            "Authorization=Bearer s3cret",
            "AccountName=joe;AccountKey=s3cret;Endpoint=x",
            "can't reach joe:s3cret@host:5432",
            "ready.tcp \"joe:s3cret@h:x\"",
            "-----BEGIN RSA PRIVATE KEY-----\ns3cret\n-----END RSA PRIVATE KEY-----",
        ] {
            let hidden = without_secrets(text);
            assert!(!hidden.contains("s3cret") && hidden.contains(REDACTED), "{text} -> {hidden}");
            assert_eq!(without_secrets(&hidden), hidden, "nothing changes the second time");
        }
        for name in ["X-Auth", "X-Auth-Key", "Session", "X-API-Key", "Cookie", "Authorization", "X-Session-Token"] {
            assert!(is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn plain_words_stay() {
        for text in [
            "/upload?size=1&name=a",
            "httpd -DFOREGROUND -f /etc/httpd.conf",
            "http://127.0.0.1:80/a@b",
            "monkey=1 author=joe bypass=2 compass=north keyboard=us design=new signal=9 authority=x",
            "spin=1 pattern=x PATH=/bin option=a compat=2 basalt=3 patch=4 pins=5 credits=6 shipping=7 dsname=8",
            "nginx:1.25@sha256:0123456789abcdef of mailto:joe@example.com git@host:shop.git at 12:30 @joe",
            "/items?sort_key=price&session_timeout=30&pass_count=3",
            "the command `true` ended with exit code 1; its last output:",
            "target.ready.http: http://127.0.0.1:8001/health answers with status 503",
            "workload.step[0].key: is empty",
            "2 processes (sleep 4711, sh 4712) did not end within 1s of SIGTERM: killed",
            "in a new session: started",
            "X-Author: joe",
            "basic arithmetic and bearer tokens",
        ] {
            assert_eq!(without_secrets(text), text);
        }
        for name in ["Author", "Monkey", "Accept", "Keyboard", "Compass", "Session-Timeout", "Content-Type"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
