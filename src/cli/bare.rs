//! `run -- CMD`: a command in the place of a harness file, and the file that it amounts to.

use super::budget::{AllowedGrowth, TWICE};
use super::problem::Problem;
use super::workers::WorkersArgument;
use crate::answer::ExitCode;
use crate::config::{ConfigError, Span, literal, not_a_url, redacted_words, without_secrets};
use crate::supervise::find_program;
use std::path::Path;
use std::time::Duration;

/// How long a run lasts if nothing is said: by then growth of the usual budget per hour shows in most workers.
const USUAL: Duration = Duration::from_secs(600);

/// The part of it in which the target warms up.
const WARM_UP: u32 = 5;

/// What may be said of a command that is run without a harness file.
#[derive(Debug, clap::Args)]
pub struct Bare {
    /// Program and arguments to run in the place of a harness file. `${port}` in them is a free port.
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
    /// Of a command after `--`: which of its processes are judged; by default that is found out.
    #[arg(long, value_enum, value_name = "WHICH")]
    workers: Option<WorkersArgument>,
    /// Of a command after `--`: how long it is watched, such as `30m`, a fifth of which is its warm-up; 10m by default.
    #[arg(long = "for", value_name = "TIME")]
    duration: Option<Span>,
    /// Of a command after `--`: growth that is allowed, such as `1 MiB/hour`, `64 B/request` or `512 MiB in 7 days`; may be
    /// given again for other resources, as in `descriptors=60/hour`.
    #[arg(long, value_name = "[RESOURCE=]AMOUNT")]
    budget: Vec<AllowedGrowth>,
    /// Of a command after `--`: ask for this URL all the time. Without it nothing is sent.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

impl Bare {
    /// The command, if one was given, or that a harness file was given in its place.
    ///
    /// # Errors
    /// If both were given or neither, or something was said of a command that isn't there.
    pub fn command(&self, file: Option<&Path>) -> Result<Option<&[String]>, Problem> {
        let usage = |text: String| Err(Problem::new(ExitCode::Usage, text));
        let said = [
            ("--workers", self.workers.is_some()),
            ("--for", self.duration.is_some()),
            ("--budget", !self.budget.is_empty()),
            ("--url", self.url.is_some()),
        ];
        match (file, self.command.is_empty()) {
            (Some(file), false) => usage(format!(
                "both a harness file, `{}`, and a command after `--` were given: leave one of them out",
                file.display()
            )),
            (None, true) => usage(
                "give a harness file, or a command after `--`: `seepage run shop.toml`, `seepage run -- ./worker --queue jobs`; \
                 `seepage init` writes a harness file"
                    .into(),
            ),
            (Some(file), true) => match said.iter().find(|(_, said)| *said) {
                Some((option, _)) => usage(format!(
                    "{option} is for a command after `--`; of `{}` the harness file says it, or `seepage check` what is missing",
                    file.display()
                )),
                None => Ok(None),
            },
            (None, false) => Ok(Some(&self.command)),
        }
    }

    /// The harness file that `command` in `directory` amounts to.
    ///
    /// # Errors
    /// If there is no such program, or what was said can't be written.
    pub fn harness_file(&self, command: &[String], directory: &Path) -> Result<String, Problem> {
        let usage = |text: String| Problem::new(ExitCode::Usage, text);
        let program = command.first().map_or("", String::as_str);
        if !program.contains("${") && find_program(program, directory, std::env::var("PATH").ok().as_deref()).is_none()
        {
            return Err(usage(missing(program)));
        }
        let cwd =
            directory.to_str().ok_or_else(|| usage("the current directory has a name that isn't UTF-8".into()))?;
        let duration = self.duration.map_or(USUAL, |span| span.0);
        if duration.is_zero() {
            return Err(usage("--for needs some time".into()));
        }
        // What other variables stand for isn't known yet.
        let known = self.url.as_deref().filter(|url| !url.replace("${port}", "").contains("${"));
        if let Some((message, help)) = known.and_then(not_a_url) {
            return Err(usage(format!("--url: {message}: {help}")));
        }
        let warm_up = duration / WARM_UP;
        let words = command.iter().map(|word| quoted(&literal(word))).collect::<Vec<_>>().join(", ");
        let mut text = format!("name = {}\n\n[target]\ncommand = [{words}]\n", quoted(&name(program)));
        text.push_str(&format!("cwd = {}\n", quoted(&literal(cwd))));
        if let Some(workers) = self.workers {
            text.push_str(&format!("workers = {}\n", quoted(workers.word())));
        }
        if let Some(url) = &self.url {
            let (base, path) = split(url);
            text.push_str(&format!(
                "ready = {{ http = {} }}\n\n[workload]\nbase-url = [{}]\nconcurrency = 4\nrequests-per-connection = 25\n\n\
                 [[workload.step]]\nname = \"get\"\npath = {}\n",
                quoted(url),
                quoted(base),
                quoted(path)
            ));
        }
        for (kind, length) in [("warm-up", warm_up), ("soak", duration - warm_up)] {
            text.push_str(&format!("\n[[phase]]\nkind = \"{kind}\"\nduration = \"{}\"\n", Span(length)));
        }
        for (index, growth) in self.budget.iter().enumerate() {
            if self.budget[..index].iter().any(|before| before.resource == growth.resource) {
                return Err(usage(TWICE.into()));
            }
            let heading = if index == 0 { "\n[budget]\n" } else { "" };
            text.push_str(&format!("{heading}{} = {}\n", growth.resource.name(), quoted(&growth.text)));
        }
        Ok(text)
    }
}

/// Why a harness file can't be read, and what is meant if it is a program.
pub fn or_a_program(file: &Path, error: ConfigError) -> Problem {
    let problem = Problem::from(error);
    let (shown, path) = (file.display().to_string(), std::env::var("PATH").ok());
    let toml = file.extension().is_some_and(|extension| extension == "toml");
    if toml || find_program(&shown, Path::new("."), path.as_deref()).is_none() {
        return problem;
    }
    let text =
        format!("{}\n`{shown}` is a program: `seepage run -- {shown}` runs it without a harness file", problem.text);
    Problem { text, ..problem }
}

/// What is meant by a command line that isn't understood, if it is a program without `--` before it.
pub fn without_dashes(words: &[String]) -> Option<String> {
    let [subcommand, program, ..] = words else { return None };
    let path = std::env::var("PATH").ok();
    let is_program = subcommand == "run"
        && !program.ends_with(".toml")
        && !words.iter().any(|word| word == "--")
        && find_program(program, Path::new("."), path.as_deref()).is_some();
    let line = redacted_words(&words[1..]).join(" ");
    is_program.then(|| format!("`{program}` is a program: `seepage run -- {line}` runs it without a harness file"))
}

/// A harness file as it may be shown, with what it is, and the variables that were given beside it.
pub fn shown(text: &str, command: &[String], variables: &[(String, String)]) -> String {
    let mut shown = text.to_owned();
    for (word, stored) in command.iter().zip(redacted_words(command)).filter(|(word, stored)| *word != stored) {
        shown = shown.replace(&quoted(&literal(word)), &quoted(&stored));
    }
    shown = without_secrets(&shown);
    let secret = if shown == text {
        ""
    } else {
        "# What is [redacted] here is a secret: `${env:NAME}` reads it from the environment.\n"
    };
    let names: Vec<String> = variables.iter().map(|(name, _)| format!("`--env {name}=...`")).collect();
    let beside = if names.is_empty() { String::new() } else { format!("# To be run with {}.\n", names.join(" ")) };
    format!("# What this command amounts to, as a harness file:\n{secret}{beside}{shown}")
}

/// That a program isn't there, and what may be meant.
fn missing(program: &str) -> String {
    let words: Vec<&str> = program.split_whitespace().collect();
    if words.len() > 1 && Path::new(program).metadata().is_err() {
        return format!(
            "there is no program `{program}`: its name has spaces in it. Leave the quotes out, `-- {program}`, or have a shell \
             read the line: `-- sh -c '{program}'`"
        );
    }
    if !program.contains('/') {
        let meant = if Path::new(program).is_file() { Some(format!("./{program}")) } else { meant(program) };
        let meant = meant.map_or(String::new(), |meant| format!(": did you mean `{meant}`?"));
        return format!("there is no program `{program}` in the directories of PATH{meant}");
    }
    let why = match Path::new(program).metadata() {
        Ok(metadata) if metadata.is_dir() => "it is a directory",
        Ok(_) => "it isn't executable: `chmod +x` makes it so, or write its interpreter before it",
        Err(_) => "there is no such file",
    };
    format!("`{program}` can't be run: {why}")
}

/// The program in the directories of PATH that has nearly this name.
fn meant(program: &str) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let files = std::env::split_paths(&path).filter_map(|place| std::fs::read_dir(place).ok()).flatten().flatten();
    // There are thousands: one slip of the finger is a typing error, two make another program's name.
    let mut names = files.filter_map(|file| file.file_name().into_string().ok());
    names.find(|name| program.len() > 2 && strsim::osa_distance(name, program) == 1)
}

/// A name for the run that is fit for a directory.
fn name(program: &str) -> String {
    let file = Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let fit = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = file.chars().map(fit).take(64).collect();
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) { name } else { "command".into() }
}

/// What a URL has before its path, and the path.
fn split(url: &str) -> (&str, &str) {
    let host = url.find("://").map_or(0, |at| at + 3);
    match url[host..].find(['/', '?']) {
        Some(at) if url[host + at..].starts_with('/') => url.split_at(host + at),
        _ => (url, "/"),
    }
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, parse};
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        file: Option<std::path::PathBuf>,
        #[command(flatten)]
        bare: Bare,
    }

    fn line(words: &[&str]) -> Line {
        Line::try_parse_from(["run"].iter().chain(words)).unwrap()
    }

    fn written(words: &[&str]) -> String {
        let line = line(words);
        let text =
            line.bare.harness_file(&line.bare.command, Path::new("/srv")).unwrap_or_else(|e| panic!("{}", e.text));
        parse(&text, "x.toml", &Overrides::default()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        text
    }

    #[test]
    fn a_command_is_a_harness_file() {
        insta::assert_snapshot!(written(&["--", "sh", "-c", "echo ${HOME} '$$'; exec worker --port ${port}"]));
        let url = ["--url", "http://127.0.0.1:${port}/a?b", "--for", "1h", "--workers", "children"];
        let budgets = ["--budget", "64 B/request", "--budget", "threads=1/request"];
        insta::assert_snapshot!(written(&[&url[..], &budgets, &["--", "/bin/sh"]].concat()));
        insta::assert_snapshot!(written(&["--budget", "512 MiB in 7 days", "--", "sh"]));
    }

    #[test]
    fn secrets_are_not_shown() {
        let command = ["sh", "--password", "s3cret-$-a"].map(str::to_owned);
        let text = written(&["--", "sh", "--password", "s3cret-$-a"]);
        let shown = shown(&text, &command, &[("TOKEN".into(), "s3cret-b".into())]);
        assert!(shown.contains("# To be run with `--env TOKEN=...`."), "{shown}");
        assert!(text.contains("s3cret") && !shown.contains("s3cret") && shown.contains("${env:NAME}"), "{shown}");
    }

    #[test]
    fn a_program_with_a_slip_in_its_name_is_recognised() {
        assert!(
            missing("unshar").ends_with("in the directories of PATH: did you mean `unshare`?"),
            "{}",
            missing("unshar")
        );
    }

    #[test]
    fn what_is_missing_or_too_much_is_told() {
        let told = |words: &[&str]| {
            let line = line(words);
            let wrong = line
                .bare
                .command(line.file.as_deref())
                .and_then(|command| line.bare.harness_file(command.unwrap_or_default(), Path::new("/")).map(drop));
            wrong.err().map_or_else(|| panic!("accepted: {words:?}"), |problem| problem.text)
        };
        let told = [
            told(&[]),
            told(&["a.toml", "--", "worker"]),
            told(&["a.toml", "--for", "1h"]),
            told(&["--", "no-such-program-anywhere"]),
            told(&["--", "/etc/passwd"]),
            told(&["--", "worker --queue jobs"]),
            told(&["--url", "localhost:8080", "--", "sh"]),
            told(&["--url", "/health", "--", "sh"]),
            told(&["--url", "https://127.0.0.1:${port}/", "--", "sh"]),
            told(&["--", "/etc"]),
            told(&["--", "/no/such/program"]),
            told(&["--for", "0s", "--", "sh"]),
            told(&["--budget", "1 MiB/hour", "--budget", "memory=2 MiB/hour", "--", "sh"]),
        ];
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn a_program_without_dashes_is_known_as_one() {
        let meant = |line: &str| without_dashes(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let told = "`sh` is a program: `seepage run -- sh -c true` runs it without a harness file";
        assert_eq!(meant("run sh -c true").as_deref(), Some(told));
        let others = ["run shop.toml -c", "run --for sh", "run -- sh -x", "attach sh", "run no-such-program -x", "run"];
        assert!(others.iter().all(|line| meant(line).is_none()));
    }

    #[test]
    fn urls_are_split_before_their_path() {
        assert_eq!(split("http://127.0.0.1:${port}/a/b?c"), ("http://127.0.0.1:${port}", "/a/b?c"));
        assert_eq!(split("http://127.0.0.1:80"), ("http://127.0.0.1:80", "/"));
    }
}
