//! One Apache, asked what it loads and whether it takes a configuration.

use super::conf::{Conf, Files};
use crate::config::{Harness, read_input};
use crate::engine::{Interrupt, Rehearsal, RunError};
use regex::Regex;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use thiserror::Error;

/// As many lines can depend on modules; a configuration that still isn't taken then never will be.
const MOST_COMPLAINTS: usize = 2000;

/// The names of Apache's program.
const PROGRAMS: [&str; 2] = ["apache2", "httpd"];

/// Whether a harness file's target is an Apache that is started directly.
pub fn is_apache(harness: &Harness) -> bool {
    let program = harness.target.command.first().map(Path::new).and_then(Path::file_name);
    program.is_some_and(|name| PROGRAMS.iter().any(|known| name == *known))
}

/// Why a module can't be switched off.
#[derive(Debug, Error)]
pub enum OffError {
    /// It isn't loaded.
    #[error("`{module}` isn't loaded: {}", among(.loaded))]
    NotLoaded {
        /// The name that was asked for.
        module: String,
        /// Those that could be.
        loaded: Vec<String>,
    },
    /// It is a part of the program.
    #[error("`{module}` is linked into Apache's program: it can't be switched off")]
    Static {
        /// The module.
        module: String,
    },
    /// Apache doesn't start without it.
    #[error("the configuration can't be used without {}: {what}{}", .modules.join(", "), told(.dropped))]
    Broken {
        /// Modules that were to be off.
        modules: Vec<String>,
        /// What Apache says.
        what: String,
        /// Lines that had been dropped by then.
        dropped: Vec<String>,
    },
    /// The configuration isn't one to derive another from.
    #[error("{0}")]
    Unusable(String),
    /// The target could not be prepared.
    #[error("{0}")]
    Setup(#[from] RunError),
}

fn among(loaded: &[String]) -> String {
    if loaded.is_empty() {
        "no module is that could be switched off".into()
    } else {
        format!("loaded are {}", loaded.join(", "))
    }
}

fn told(dropped: &[String]) -> String {
    if dropped.is_empty() {
        String::new()
    } else {
        format!("\nlines that had gone with it:\n    {}", dropped.join("\n    "))
    }
}

/// A configuration without some modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// The target's command with it, for a harness file.
    pub command: Vec<String>,
    /// Modules that went beside those that were asked for, because they can't be loaded without them.
    pub also_off: Vec<String>,
    /// Lines that went because nothing knows their directives any more.
    pub dropped: Vec<String>,
}

/// An Apache that is prepared and not started.
pub struct Server {
    rehearsal: Rehearsal,
    /// The command as the harness file has it.
    command: Vec<String>,
    /// Which of its words is the configuration's path, if one is.
    conf_word: Option<usize>,
    /// Arguments that decide what a configuration means: defines, the root, single directives.
    arguments: Vec<String>,
    conf: Conf,
    modules: Vec<Module>,
}

struct Module {
    name: String,
    shared: bool,
}

static MODULE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^ +(\w+) \((static|shared)\)"));
static COMPLAINT: LazyLock<Regex> = LazyLock::new(|| pattern(r"Syntax error on line (\d+) of ([^\n]+):\n([^\n]+)"));
static COMPILED: LazyLock<Regex> = LazyLock::new(|| pattern(r#"-D (HTTPD_ROOT|SERVER_CONFIG_FILE)="([^"]*)""#));

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a fixed pattern, compiled by a test")
}

impl Server {
    /// Prepares the target of a harness file as for a run and reads its configuration.
    ///
    /// # Errors
    /// If the target can't be prepared, or Apache doesn't take its configuration as it is.
    pub fn new(harness: &Harness, harness_dir: &Path, interrupt: &Interrupt) -> Result<Self, OffError> {
        let rehearsal = Rehearsal::prepare(harness, harness_dir, interrupt)?;
        let words = Words::of(rehearsal.command());
        let compiled = rehearsal.ask(&["-V"]).map_err(OffError::Unusable)?.text;
        let default = |name: &str| {
            COMPILED.captures_iter(&compiled).find(|c| &c[1] == name).map(|c| PathBuf::from(&c[2])).unwrap_or_default()
        };
        let root = words.root.unwrap_or_else(|| default("HTTPD_ROOT"));
        let path = root.join(words.conf.unwrap_or_else(|| default("SERVER_CONFIG_FILE")));
        if path.starts_with(rehearsal.scratch()) {
            let what = "Apache's configuration is made anew for each run, in ${work_dir}: no other can be derived from it; list \
                        what can be switched off in [modules]";
            return Err(OffError::Unusable(what.into()));
        }
        let conf = Conf::read(&Disk, &path, &root, &rehearsal.environment())
            .ok_or_else(|| OffError::Unusable(format!("can't read Apache's configuration {}", path.display())))?;
        let mut server = Server {
            command: harness.target.command.clone(),
            conf_word: words.conf_word,
            arguments: words.rest,
            conf,
            modules: Vec::new(),
            rehearsal,
        };
        let listed = server.ask(&path, &["-t", "-D", "DUMP_MODULES"])?;
        if !listed.success {
            let what = format!("Apache doesn't take its configuration as it is:\n{}", listed.text.trim());
            return Err(OffError::Unusable(what));
        }
        server.modules = MODULE
            .captures_iter(&listed.text)
            .map(|c| Module { name: c[1].to_owned(), shared: &c[2] == "shared" })
            .collect();
        Ok(server)
    }

    /// The modules that can perhaps be switched off, in the order of their loading.
    pub fn loaded(&self) -> Vec<String> {
        let written = self.conf.loaded();
        let shared = self.modules.iter().filter(|m| m.shared && written.iter().any(|w| w.module == m.name));
        shared.map(|m| m.name.clone()).collect()
    }

    /// The whole name of a module that is loaded: `upload`, `mod_upload` and `mod_upload.c` are `upload_module`.
    ///
    /// # Errors
    /// If it isn't loaded, or is a part of the program.
    pub fn find(&self, name: &str) -> Result<String, OffError> {
        let short = name.trim_end_matches(".c").trim_end_matches(".so").trim_start_matches("mod_");
        let wanted = [name.to_owned(), format!("{short}_module")];
        let found = self.modules.iter().find(|m| wanted.contains(&m.name));
        match found {
            Some(module) if module.shared => Ok(module.name.clone()),
            Some(module) => Err(OffError::Static { module: module.name.clone() }),
            None => Err(OffError::NotLoaded { module: name.to_owned(), loaded: self.loaded() }),
        }
    }

    /// Writes the configuration without these modules, and without what Apache says can't be without them, to `file`.
    ///
    /// # Errors
    /// If Apache doesn't start without them; the configuration is then left as far as it came.
    pub fn without(&self, modules: &[String], file: &Path) -> Result<Derived, OffError> {
        let mut conf = self.conf.clone();
        for loaded in self.conf.loaded().into_iter().filter(|l| modules.contains(&l.module)) {
            conf.take_out(loaded.at);
        }
        let (mut also_off, mut dropped) = (Vec::new(), Vec::new());
        let broken = |what: &str, dropped: &[String]| OffError::Broken {
            modules: modules.to_vec(),
            what: what.trim().to_owned(),
            dropped: dropped.to_vec(),
        };
        for _ in 0..MOST_COMPLAINTS {
            let written = std::fs::write(file, conf.text());
            written.map_err(|e| OffError::Unusable(format!("could not write {}: {e}", file.display())))?;
            let reply = self.ask(file, &["-t"])?;
            if reply.success {
                return Ok(Derived { command: self.command_with(file), also_off, dropped });
            }
            let complaint = COMPLAINT.captures(&reply.text).filter(|c| Path::new(&c[2]) == file);
            let place = complaint.as_ref().and_then(|c| conf.at_line(c[1].parse().ok()?));
            let (Some(complaint), Some(at)) = (complaint, place) else { return Err(broken(&reply.text, &dropped)) };
            let what = &complaint[3];
            let module = conf.loaded().into_iter().find(|l| l.at == at);
            match module {
                Some(loaded) if what.contains("Cannot load") => {
                    also_off.push(loaded.module);
                    conf.take_out(at);
                }
                // The configuration as it was is fine, so that whatever is wrong with a line now comes of what is off.
                None => {
                    let gone = conf.take_out(at);
                    if gone.is_empty() {
                        return Err(broken(&reply.text, &dropped));
                    }
                    dropped.extend(gone);
                }
                Some(_) => return Err(broken(&reply.text, &dropped)),
            }
        }
        Err(broken("too many lines depend on it", &dropped))
    }

    fn ask(&self, conf: &Path, wanted: &[&str]) -> Result<crate::engine::Reply, OffError> {
        let path = conf.to_string_lossy();
        let mut arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        arguments.extend(["-f", &path]);
        arguments.extend(wanted);
        self.rehearsal.ask(&arguments).map_err(OffError::Unusable)
    }

    /// The command with another configuration, as a harness file writes it.
    fn command_with(&self, file: &Path) -> Vec<String> {
        let mut command = self.command.clone();
        let path = file.to_string_lossy().replace('$', "$$");
        match self.conf_word.and_then(|at| command.get_mut(at)) {
            Some(word) if word.starts_with("-f") && word.len() > 2 => *word = format!("-f{path}"),
            Some(word) => *word = path,
            None => command.extend(["-f".to_owned(), path]),
        }
        command
    }
}

/// What the words of an Apache's command say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Words {
    conf: Option<PathBuf>,
    conf_word: Option<usize>,
    root: Option<PathBuf>,
    rest: Vec<String>,
}

impl Words {
    fn of(command: &[String]) -> Self {
        let mut out = Words::default();
        let mut words = command.iter().enumerate().skip(1);
        while let Some((at, word)) = words.next() {
            let (option, value) = word.split_at_checked(2).unwrap_or((word, ""));
            // The value is in the same word or is the next one.
            let mut value_at = || {
                if value.is_empty() {
                    words.next().map(|(at, v)| (at, v.clone()))
                } else {
                    Some((at, value.to_owned()))
                }
            };
            match option {
                "-f" => {
                    if let Some((at, path)) = value_at() {
                        (out.conf, out.conf_word) = (Some(path.into()), Some(at));
                    }
                }
                "-d" => {
                    if let Some((_, path)) = value_at() {
                        out.rest.extend(["-d".into(), path.clone()]);
                        out.root = Some(path.into());
                    }
                }
                "-D" | "-C" | "-c" => {
                    if let Some((_, text)) = value_at() {
                        out.rest.extend([option.to_owned(), text]);
                    }
                }
                // What it is to do, which here is another thing; and where it logs.
                "-k" | "-e" | "-E" => {
                    value_at();
                }
                _ => {}
            }
        }
        out
    }
}

/// The real files.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Option<String> {
        const LONGEST: u64 = 4 << 20;
        Some(String::from_utf8_lossy(&read_input(path, LONGEST).ok()?).into_owned())
    }

    fn list(&self, path: &Path) -> Option<Vec<String>> {
        let entries = std::fs::read_dir(path).ok()?;
        Some(entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_says_where_the_configuration_is() {
        let words = |text: &str| Words::of(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let found = words("/usr/sbin/apache2 -DFOREGROUND -d /srv -f conf/x.conf -k start -D TWO -X");
        assert_eq!(
            (found.conf, found.conf_word, found.root),
            (Some("conf/x.conf".into()), Some(5), Some("/srv".into()))
        );
        assert_eq!(found.rest, ["-D", "FOREGROUND", "-d", "/srv", "-D", "TWO"]);
        assert_eq!(words("httpd -f/a/b").conf_word, Some(1));
        assert_eq!(words("httpd"), Words::default());
    }

    #[test]
    fn what_apache_says_is_understood() {
        let complaint =
            "AH00526: Syntax error on line 31 of /tmp/x y.conf:\nInvalid command 'UploadFault', perhaps misspelled";
        let found = COMPLAINT.captures(complaint).unwrap();
        assert_eq!((&found[1], &found[2]), ("31", "/tmp/x y.conf"));
        let list = "Loaded Modules:\n core_module (static)\n upload_module (shared)\n";
        let names: Vec<_> = MODULE.captures_iter(list).map(|c| (c[1].to_owned(), c[2].to_owned())).collect();
        assert_eq!(names, [("core_module".into(), "static".into()), ("upload_module".into(), "shared".into())]);
        let compiled = " -D HTTPD_ROOT=\"/etc/apache2\"\n -D SERVER_CONFIG_FILE=\"apache2.conf\"";
        assert_eq!(COMPILED.captures_iter(compiled).count(), 2);
    }
}
