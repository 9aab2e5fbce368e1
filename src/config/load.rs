//! From a file's text to a harness that makes sense.
//!
//! Three steps, each with pointed errors: TOML syntax, the keys and types of [`Harness`], and what contradicts itself.

use super::problem::{ConfigError, Diagnostic, Key, KeyPath, Problem, nearest};
use super::{Harness, HeapMode, Stop, check, read_input};
use std::{io, ops::Range, path::Path};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What the command line changes in a harness file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overrides {
    /// Environment variables of the target, name and value.
    pub env: Vec<(String, String)>,
    /// Seed of the workload.
    pub seed: Option<u64>,
    /// Trace who allocates, whatever the file says.
    pub heap: bool,
    /// When the soak ends.
    pub stop: Option<Stop>,
    /// Whether the mix of steps stays as configured.
    pub fixed_mix: bool,
}

/// The longest harness file that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// Reads and checks a harness file. Fails if it can't be read, isn't a harness file, or contradicts itself.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Harness, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let bytes = read_input(path, LONGEST).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|e| unreadable(io::Error::new(io::ErrorKind::InvalidData, e)))?;
    parse(&text, &path.display().to_string(), overrides)
}

/// Checks the text of a harness file; `file` is its name in messages. Fails like [`load`].
pub fn parse(text: &str, file: &str, overrides: &Overrides) -> Result<Harness, ConfigError> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if let Some(error) = errors.first() {
        return Err(invalid(file, text, [(error.span(), explain(error.message()))]));
    }
    let mut harness: Harness =
        toml::from_str(text).map_err(|error| invalid(file, text, [(error.span(), explain(error.message()))]))?;

    for (name, value) in &overrides.env {
        harness.target.env.insert(name.clone(), value.clone());
    }
    if let Some(seed) = overrides.seed {
        harness.workload.seed = seed;
    }
    if overrides.heap {
        harness.heap.mode = HeapMode::Preload;
    }
    harness.stop = overrides.stop.unwrap_or(harness.stop);

    if overrides.fixed_mix {
        harness.workload.vary_mix = false;
    }

    let problems = check::check_unresolved(&harness);
    if problems.is_empty() {
        return Ok(harness);
    }
    Err(invalid(file, text, problems.into_iter().map(|problem| (find(&table, &problem.at), problem))))
}

fn invalid(file: &str, text: &str, problems: impl IntoIterator<Item = (Option<Range<usize>>, Problem)>) -> ConfigError {
    let diagnostics = problems.into_iter().map(|(span, problem)| Diagnostic::in_text(file, text, span, problem));
    ConfigError::Invalid(diagnostics.collect())
}

const WHOLE: &str = "expected a whole number from 0 up";

/// Puts serde's words for unknown keys and values into ours, with the known one that was probably meant.
fn explain(message: &str) -> Problem {
    let message = message.trim_end();
    let kinds = [("unknown field ", "key", "keys"), ("unknown variant ", "value", "values")];
    let unknown = kinds.iter().find_map(|(prefix, one, many)| Some((message.strip_prefix(prefix)?, *one, *many)));
    let Some((rest, one, many)) = unknown else {
        let message = message.replace("missing field", "missing key").replace('\n', "; ");
        let message =
            message.replace("expected u32", WHOLE).replace("expected u64", WHOLE).replace("expected u16", WHOLE);
        return Problem { at: KeyPath::default(), message, help: String::new() };
    };
    // serde writes: `found`, expected one of `a`, `b`. The name found may hold backticks itself; the known ones don't.
    let (found, known) = rest.rsplit_once(", expected ").unwrap_or((rest, ""));
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    let found = found.trim_matches('`');
    let message = match nearest(found, known.iter().copied()) {
        Some(meant) => format!("unknown {one} `{found}`: did you mean `{meant}`?"),
        None => format!("unknown {one} `{found}`"),
    };
    let list = known.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let help = if list.is_empty() { String::new() } else { format!("known {many} here: {list}") };
    Problem { at: KeyPath::default(), message, help }
}

/// Where the value at a path is in the text; of a path that the file hasn't, the nearest part that it has.
fn find(table: &Spanned<DeTable<'_>>, path: &KeyPath) -> Option<Range<usize>> {
    let mut span = None;
    let mut next = Some(Place::Table(table.get_ref()));
    for key in &path.0 {
        let value = match (next, key) {
            (Some(Place::Table(table)), Key::Name(name)) => {
                table.iter().find(|(key, _)| key.get_ref() == name.as_str()).map(|(_, value)| value)
            }
            (Some(Place::List(items)), Key::Index(index)) => items.get(*index),
            // A single text where a list could be, and whatever else has another shape than its path.
            _ => None,
        };
        let Some(value) = value else { break };
        span = Some(value.span());
        next = match value.get_ref() {
            DeValue::Table(table) => Some(Place::Table(table)),
            DeValue::Array(items) => Some(Place::List(items)),
            _ => None,
        };
    }
    span
}

#[derive(Clone, Copy)]
enum Place<'a> {
    Table(&'a DeTable<'a>),
    List(&'a [Spanned<DeValue<'a>>]),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;

    const MINIMAL: &str =
        "name = \"a\"\ntarget.command = [\"a\"]\nworkload.command = [\"b\"]\n[[phase]]\nkind = \"soak\"\n";

    #[test]
    fn the_command_line_has_the_last_word() {
        let overrides = Overrides { env: vec![("MODE".into(), "pool".into())], seed: Some(7), ..Overrides::default() };
        let text = MINIMAL.replace("[[", "[target.env]\nMODE = \"malloc\"\n[[").replace("target.command", "#");
        let text = text.replace("[target.env]", "[target]\ncommand = [\"a\"]\n[target.env]");
        let harness = parse(&text, "a.toml", &overrides).unwrap();
        assert_eq!(harness.target.env["MODE"], "pool");
        assert_eq!(harness.workload.seed, 7);
    }

    #[test]
    fn overrides_are_checked_like_the_file() {
        let overrides = Overrides { env: vec![("A=B".into(), "c".into())], ..Overrides::default() };
        let error = parse(MINIMAL, "a.toml", &overrides).unwrap_err().to_string();
        assert!(error.contains("`A=B` is no name for an environment variable"), "{error}");
    }

    #[test]
    fn files_that_cannot_be_read_are_told_with_their_path() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none.toml");
        let error = load(&missing, &Overrides::default()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("can't read `{}`: ", missing.display())), "{error}");

        let binary = folder.path().join("binary.toml");
        fs::write(&binary, [0xff, 0xfe]).unwrap();
        assert!(matches!(load(&binary, &Overrides::default()), Err(ConfigError::Unreadable { .. })));

        let long = folder.path().join("long.toml");
        fs::write(&long, "# comment\n".repeat(200_000)).unwrap();
        let error = load(&long, &Overrides::default()).unwrap_err().to_string();
        assert!(error.contains("more than 1048576 bytes"), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            let _ = parse(&text, "a.toml", &Overrides::default());
        }
    }
}
