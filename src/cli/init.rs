//! `init`: writes a harness file to begin with.

use super::output::{complain, tell};
use super::problem::{Done, Problem};
use crate::answer::ExitCode;
use crate::config;
use crate::report::plain;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    /// What the target is; without it, the kinds are listed.
    kind: Option<String>,
    /// File to write, which must not be there yet; by default the kind with `.toml`, in this directory.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

const EXAMPLES: &str = "\
The file that is written runs as it is, where the programs that it names are installed. Comments in it say what to put in \
their place.

Examples:
    seepage init gunicorn && seepage run gunicorn.toml
    seepage init worker --to jobs.toml";

/// A kind of target: its name, what it is, and its harness file.
struct Kind {
    name: &'static str,
    about: &'static str,
    text: &'static str,
}

const KINDS: [Kind; 8] = [
    Kind { name: "apache", about: "an Apache with prefork children", text: include_str!("init/apache.toml") },
    Kind { name: "php-fpm", about: "a pool of PHP-FPM behind an Apache", text: include_str!("init/php-fpm.toml") },
    Kind { name: "gunicorn", about: "a Python application below gunicorn", text: include_str!("init/gunicorn.toml") },
    Kind { name: "node", about: "a server in Node", text: include_str!("init/node.toml") },
    Kind { name: "java", about: "a server on the JVM", text: include_str!("init/java.toml") },
    Kind { name: "ruby", about: "a Rack application below Puma", text: include_str!("init/ruby.toml") },
    Kind {
        name: "worker",
        about: "a worker without HTTP, such as one at a queue",
        text: include_str!("init/worker.toml"),
    },
    Kind {
        name: "command",
        about: "any server, driven by a command of yours",
        text: include_str!("init/command.toml"),
    },
];

/// Writes the harness file of a kind, or lists the kinds.
pub fn init(arguments: &Arguments) -> Done {
    let Some(wanted) = &arguments.kind else {
        return Ok(tell(format!("Kinds of harness files that `seepage init KIND` writes:\n{}", listed()).as_bytes()));
    };
    let Some(kind) = KINDS.iter().find(|kind| kind.name == wanted) else {
        let meant = config::nearest(wanted, KINDS.iter().map(|kind| kind.name));
        let meant = meant.map_or(String::new(), |kind| format!(": did you mean `{kind}`?"));
        return Err(Problem::new(
            ExitCode::Usage,
            format!("there is no kind `{wanted}`{meant}\n{}", listed().trim_end()),
        ));
    };
    let file = arguments.to.clone().unwrap_or_else(|| format!("{}.toml", kind.name).into());
    write(&file, kind.text)?;
    let shown = plain(&file.display().to_string());
    Ok(tell(
        format!("{shown}: written; `seepage run {shown}` runs it as it is, and its comments say what to change\n")
            .as_bytes(),
    ))
}

/// The kinds, one a line.
fn listed() -> String {
    KINDS.iter().map(|kind| format!("  {:<10}{}\n", kind.name, kind.about)).collect()
}

/// Writes a file that isn't there.
fn write(file: &Path, text: &str) -> Result<(), Problem> {
    let failed = |error: std::io::Error| {
        let why = match error.kind() {
            ErrorKind::AlreadyExists => "it is there already, and stays as it is: choose another file with --to".into(),
            _ => error.to_string(),
        };
        Problem::new(ExitCode::Failure, format!("can't write `{}`: {why}", file.display()))
    };
    let mut new = OpenOptions::new().write(true).create_new(true).open(file).map_err(failed)?;
    let written = new.write_all(text.as_bytes());
    if written.is_err() && std::fs::remove_file(file).is_err() {
        complain(&format!("a part of `{}` stays", file.display()));
    }
    written.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, parse, schema};

    #[test]
    fn every_file_is_good_and_fits_the_schema() {
        let validator = jsonschema::validator_for(&schema()).unwrap();
        for kind in KINDS {
            let harness = parse(kind.text, kind.name, &Overrides::default()).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(harness.name, kind.name);
            let value: serde_json::Value = toml::from_str(kind.text).unwrap();
            let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{}: {errors:?}", kind.name);
        }
    }

    #[test]
    fn a_file_that_is_there_stays() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("a.toml");
        let arguments = Arguments { kind: Some("worker".into()), to: Some(file.clone()) };
        assert!(init(&arguments).is_ok());
        std::fs::write(&file, "mine").unwrap();
        let problem = init(&arguments).err().unwrap();
        assert!(problem.code == ExitCode::Failure && problem.text.contains("stays as it is"), "{}", problem.text);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    }

    #[test]
    fn a_kind_that_is_not_known_is_told_with_what_was_meant() {
        let problem = init(&Arguments { kind: Some("gunicron".into()), to: None }).err().unwrap();
        insta::assert_snapshot!(problem.text);
    }
}
