//! From a file's text to a harness that makes sense.
//!
//! Three steps, each with pointed errors: TOML syntax, then the keys and types of [`Harness`], its variables and what contradicts
//! itself, of all of which all is told at once.

use super::problem::{ConfigError, KeyPath, Problems};
use super::resolve::replaced;
use super::setting::Setting;
use super::source::Source;
use super::variables::Variable;
use super::{Harness, HeapMode, Stop, check, read_input};
use std::{io, path::Path};

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
    let no_text = |_| unreadable(io::Error::new(io::ErrorKind::InvalidData, "it isn't text in UTF-8"));
    let text = String::from_utf8(bytes).map_err(no_text)?;
    parse(&text, &path.display().to_string(), overrides)
}

/// Checks the text of a harness file; `file` is its name in messages. Fails like [`load`].
pub fn parse(text: &str, file: &str, overrides: &Overrides) -> Result<Harness, ConfigError> {
    let (source, root) = Source::parse(text, file)?;
    let mut problems = Problems::default();
    let mut harness = Harness::read(&root, &KeyPath::default(), &mut problems).unwrap_or_else(Harness::stand_in);
    harness.source = source;

    for (name, value) in &overrides.env {
        harness.target.env.insert(name.clone(), value.clone());
    }
    if let (Some(seed), Some(workload)) = (overrides.seed, &mut harness.workload) {
        workload.seed = seed;
    }
    if overrides.heap {
        harness.heap.mode = HeapMode::Preload;
    }
    harness.stop = overrides.stop.unwrap_or(harness.stop);
    if let Some(workload) = harness.workload.as_mut().filter(|_| overrides.fixed_mix) {
        workload.vary_mix = false;
    }
    let filled = replaced(&harness, &mut problems, |variable| Ok(placeholder(variable)));
    check::check(&filled, &mut problems);
    harness.source.verdict(problems).map(|()| harness)
}

/// A value of the right kind; what is known only in a run stays open.
fn placeholder(variable: &Variable) -> String {
    match variable {
        Variable::Port(_) => "1024".to_owned(),
        Variable::WorkDir | Variable::HarnessDir | Variable::Seepage => "/placeholder".to_owned(),
        Variable::Env(name) => format!("${{env:{name}}}"),
    }
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
        assert_eq!(harness.workload.unwrap().seed, 7);
    }

    #[test]
    fn overrides_are_checked_like_the_file() {
        let overrides = Overrides { env: vec![("A=B".into(), "c".into())], ..Overrides::default() };
        let error = parse(MINIMAL, "a.toml", &overrides).unwrap_err().to_string();
        assert!(error.contains("`A=B` isn't a name for an environment variable"), "{error}");
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
