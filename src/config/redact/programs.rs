//! Secrets in arguments of programs that are told them in a way of their own: `mysql -pSECRET`, `redis-cli -a SECRET`.
//!
//! Only after the program's name: `-p` and `-a` mean anything with others.

use super::REDACTED;
use regex::Regex;
use std::path::Path;
use std::sync::LazyLock;

/// How a program is told a secret.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Joined to this option.
    Joined(&'static str),
    /// As the word after this option.
    Next(&'static str),
    /// Behind the slash of a word: `joe/SECRET@host`.
    Slash,
}

use Way::{Joined, Next, Slash};

/// Names of programs, and their ways.
const PROGRAMS: [(&str, &[Way]); 8] = [
    (r"mysql\w*|mariadb(?:-\w+)*|7z[ar]?", &[Joined("-p")]),
    ("sshpass", &[Joined("-p"), Next("-p")]),
    ("redis-(?:cli|benchmark)", &[Next("-a")]),
    ("mongo(?:sh|dump|restore|export|import|stat|top)?", &[Next("-p")]),
    ("ldap(?:search|modify|add|delete|passwd|whoami|compare)", &[Next("-w"), Joined("-w")]),
    ("sqlcmd|bcp", &[Next("-P"), Joined("-P")]),
    ("zip|unzip", &[Next("-P")]),
    ("sqlplus|sqlldr|expdp|impdp|rman", &[Slash]),
];

/// Each program's name as a whole.
static NAMES: LazyLock<Vec<Regex>> =
    LazyLock::new(|| PROGRAMS.iter().map(|(name, _)| pattern(&format!("^(?:{name})$"))).collect());

/// Whether any of them is named at all.
static ANY: LazyLock<Regex> = LazyLock::new(|| {
    let names: Vec<&str> = PROGRAMS.iter().map(|(name, _)| *name).collect();
    pattern(&format!(r"\b(?:{})\b", names.join("|")))
});

/// Each way in a line of text; its secret comes last.
static LINES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let of = |name: &str, way: &Way| {
        let option = match way {
            Joined(option) => (*option).to_owned(),
            Next(option) => format!(r#"{option}["']?\s+["']?"#),
            Slash => r"[\w.$#]+/".to_owned(),
        };
        let before = r#"(?:^|[\s"'`/;|&(])"#;
        let value = if matches!(way, Slash) { r#"[^\s@"'`/]+"# } else { r#"[^\s"'`]+"# };
        pattern(&format!(r#"(?m)({before}(?:{name})["']?\s(?:[^\n;|&]*?\s)?["']?{option}){value}"#))
    };
    PROGRAMS.iter().flat_map(|(name, ways)| ways.iter().map(move |way| of(name, way))).collect()
});

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a fixed pattern, compiled by a test")
}

/// The text without the secrets in command lines that it holds.
pub(super) fn hide(mut text: String) -> String {
    if ANY.is_match(&text) {
        for line in LINES.iter() {
            if line.is_match(&text) {
                text = line.replace_all(&text, format!("${{1}}{REDACTED}")).into_owned();
            }
        }
    }
    text
}

/// A word of a command without its secret, given the words before; `None` if no program's way says that it has one.
pub(super) fn hidden(before: &[String], word: &str) -> Option<String> {
    let ways = before.iter().rev().find_map(|word| ways(word))?;
    let last = before.last()?;
    ways.iter().find_map(|way| match way {
        Joined(option) => {
            word.strip_prefix(option).filter(|rest| !rest.is_empty()).map(|_| format!("{option}{REDACTED}"))
        }
        Next(option) => (last == option).then(|| REDACTED.to_owned()),
        Slash => {
            let (user, rest) = word.split_once('/').filter(|(user, _)| !user.is_empty() && !user.contains('@'))?;
            let host = rest.split_once('@').map_or_else(String::new, |(_, host)| format!("@{host}"));
            Some(format!("{user}/{REDACTED}{host}"))
        }
    })
}

/// The ways of the program at this path.
fn ways(program: &str) -> Option<&'static [Way]> {
    let name = Path::new(program).file_name()?.to_str()?;
    NAMES.iter().position(|known| known.is_match(name)).map(|at| PROGRAMS[at].1)
}

#[cfg(test)]
mod tests {
    use super::super::{redacted_words, without_secrets};
    use super::*;

    #[test]
    fn secrets_in_the_ways_of_programs_are_hidden_in_commands_and_in_texts() {
        for line in [
            "mysql -u joe -ps3cret shop",
            "/usr/bin/mysqldump --host=h -ps3cret shop",
            "sudo mariadb-dump -ps3cret",
            "sshpass -ps3cret ssh h",
            "sshpass -p s3cret ssh h",
            "redis-cli -h h -a s3cret get x",
            "timeout 5 mongosh -u joe -p s3cret",
            "ldapsearch -x -w s3cret",
            "sqlcmd -U joe -P s3cret",
            "unzip -P s3cret x.zip",
            "sqlplus joe/s3cret@orcl",
            "sqlplus -s joe/s3cret",
            "redis-server --requirepass s3cret",
            "redis-server --masterauth s3cret",
            "keytool -list -storepass s3cret -keypass s3cret",
            "vault login --otp s3cret",
            "pkcs11-tool --pin s3cret",
            "openssl rsa -passin pass:s3cret",
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            for hidden in [
                redacted_words(&words).join(" "),
                without_secrets(line),
                without_secrets(&format!("x: `{line}` failed")),
            ] {
                assert!(!hidden.contains("s3cret") && hidden.contains(REDACTED), "{line} -> {hidden}");
                assert!(hidden.contains(&words[0]), "{line} -> {hidden}");
            }
        }
        assert_eq!(redacted_words(&["sqlplus".into(), "joe/s3cret@orcl".into()])[1], "joe/[redacted]@orcl");
    }

    #[test]
    fn the_same_options_of_other_programs_stay() {
        for line in [
            "httpd -p80 -a x -P /run/pid -w 4",
            "mysqld -u joe -P 3306",
            "rsync -a a/b c/d",
            "zip -r x.zip a/b",
            "sqlplus -s /nolog",
            "cp mysql.cnf /tmp; sort -p80",
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(redacted_words(&words).join(" "), line);
            assert_eq!(without_secrets(line), line);
        }
    }
}
