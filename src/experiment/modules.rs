//! What of a target can be switched off: the `[modules]` of the harness file, or those that an Apache loads.

use crate::apache::{self, OffError, Server};
use crate::config::{self, Harness};
use crate::engine::Interrupt;
use std::path::Path;
use thiserror::Error;

/// Why modules can't be switched off.
#[derive(Debug, Error)]
pub enum ModulesError {
    /// There is nothing that could be.
    #[error(
        "nothing can be switched off: the target isn't an Apache that is started directly, and the harness file has no [modules]; \
         list there what can be switched off, and how"
    )]
    Nothing,
    /// The harness file doesn't have this module.
    #[error("there is no module `{name}`; [modules] has {}", .known.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Apache can't do without it, or doesn't have it.
    #[error("{0}")]
    Apache(#[from] OffError),
}

/// The modules of a target.
pub enum Modules {
    /// Those of the harness file.
    Listed(Harness),
    /// Those that an Apache loads.
    Apache(Harness, Box<Server>),
}

/// A harness file without some modules.
#[derive(Debug, Clone, PartialEq)]
pub struct Without {
    /// The harness file.
    pub harness: Harness,
    /// Everything that is off, in the order in which it was decided.
    pub off: Vec<String>,
    /// Lines of a configuration that went with them.
    pub dropped: Vec<String>,
}

impl Modules {
    /// The modules of this harness file's target: its `[modules]` if it has any, else those of its Apache.
    ///
    /// # Errors
    /// If it has neither, or the Apache can't be asked.
    pub fn of(harness: &Harness, harness_dir: &Path, interrupt: &Interrupt) -> Result<Self, ModulesError> {
        if !harness.modules.is_empty() {
            Ok(Modules::Listed(harness.clone()))
        } else if apache::is_apache(harness) {
            let server = Server::new(harness, harness_dir, interrupt)?;
            Ok(Modules::Apache(harness.clone(), Box::new(server)))
        } else {
            Err(ModulesError::Nothing)
        }
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        match self {
            Modules::Listed(harness) => harness.modules.keys().cloned().collect(),
            Modules::Apache(_, server) => server.loaded(),
        }
    }

    /// The whole name of a module.
    ///
    /// # Errors
    /// If there is none of this name that could be switched off.
    pub fn find(&self, name: &str) -> Result<String, ModulesError> {
        match self {
            Modules::Listed(harness) if harness.modules.contains_key(name) => Ok(name.to_owned()),
            Modules::Listed(_) => Err(ModulesError::Unknown { name: name.to_owned(), known: self.names() }),
            Modules::Apache(_, server) => Ok(server.find(name)?),
        }
    }

    /// The harness file without these modules. A configuration that this takes is written to `file`.
    ///
    /// # Errors
    /// If the target can't do without them.
    pub fn without(&self, names: &[String], file: &Path) -> Result<Without, ModulesError> {
        match self {
            Modules::Listed(harness) => match config::without_modules(harness, names) {
                Some((harness, off)) => Ok(Without { harness: harness.alone(), off, dropped: Vec::new() }),
                None => {
                    let name = names.iter().find(|n| !harness.modules.contains_key(*n)).cloned().unwrap_or_default();
                    Err(ModulesError::Unknown { name, known: self.names() })
                }
            },
            Modules::Apache(harness, _) if names.is_empty() => {
                Ok(Without { harness: harness.alone(), off: Vec::new(), dropped: Vec::new() })
            }
            Modules::Apache(harness, server) => {
                let derived = server.without(names, file)?;
                let mut harness = harness.alone();
                harness.target.command = derived.command;
                let off = names.iter().cloned().chain(derived.also_off).collect();
                Ok(Without { harness, off, dropped: derived.dropped })
            }
        }
    }
}
