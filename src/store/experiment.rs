//! The head of an experiment of several runs: `experiment.json` beside their directories, so that it can be resumed.

use super::FORMAT;
use super::reader::{ReadError, document};
use super::{Folder, WriteError};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

pub(super) const EXPERIMENT: &str = "experiment.json";

/// What a search leaves at its end beside its runs, and what is in the name of its directory.
pub(super) const SEARCHES: [(&str, &str); 2] = [("bisect.json", "bisect"), ("knee.json", "knee")];

/// What was planned; nothing of the target's environment is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Experiment {
    /// Version of the format, `major.minor`.
    pub format: String,
    /// Name of the harness file's scenario.
    pub name: String,
    /// When the experiment began, RFC 3339 in UTC.
    pub started: String,
    /// Seed of the coin that orders the runs.
    pub seed: u64,
    /// Pairs that are meant to be run.
    pub pairs: usize,
    /// The sides.
    pub sides: [ExperimentSide; 2],
    /// How they were made, one sentence each.
    pub notes: Vec<String>,
    /// A digest of both sides' harness files: pairs of different ones can't be mixed.
    pub fingerprint: String,
}

/// What a side is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExperimentSide {
    /// In tables and charts.
    pub name: String,
    /// In a sentence.
    pub phrase: String,
}

impl Experiment {
    /// Version of the format that is written.
    pub const FORMAT: &str = FORMAT;

    /// Writes the head into a directory, whole or not at all.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write(&self, directory: &Path) -> Result<(), WriteError> {
        Folder::open(directory)?.write_document(EXPERIMENT, self)
    }

    /// Reads the head of a directory.
    ///
    /// # Errors
    /// If there is none, it is of a newer format, or it is damaged.
    pub fn read(directory: &Path) -> Result<Self, ReadError> {
        document(&directory.join(EXPERIMENT))
    }
}

/// Whether this directory is one of an experiment.
pub fn is_experiment(directory: &Path) -> bool {
    directory.join(EXPERIMENT).is_file()
}

/// Makes the directory of an experiment, readable by its owner only, and returns it as an absolute path.
///
/// # Errors
/// If it can't be made, or is there already.
pub fn create_directory(parent: &Path, id: &str) -> Result<PathBuf, WriteError> {
    Ok(Folder::make(parent, id)?.path().to_owned())
}

/// A digest of texts: that of Fowler, Noll and Vo (1991) over 64 bits, which tells accidental changes.
pub fn fingerprint<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = 0xcbf2_9ce4_8422_2325u64;
    for byte in texts.into_iter().flat_map(|text| text.bytes().chain([0xff])) {
        digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{digest:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_experiment_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let experiment = Experiment {
            format: Experiment::FORMAT.into(),
            name: "shop".into(),
            started: "2026-01-01T00:00:00Z".into(),
            seed: 7,
            pairs: 8,
            sides: ["off", "on"].map(|s| ExperimentSide { name: s.into(), phrase: s.into() }),
            notes: Vec::new(),
            fingerprint: fingerprint(["a", "b"]),
        };
        assert!(!is_experiment(directory.path()));
        experiment.write(directory.path()).unwrap();
        assert_eq!(Experiment::read(directory.path()).unwrap(), experiment);
        std::fs::write(directory.path().join(EXPERIMENT), "{\"format\": \"9.0\"}").unwrap();
        assert!(matches!(Experiment::read(directory.path()), Err(ReadError::Newer { .. })));
    }

    #[test]
    fn fingerprints_tell_texts_apart() {
        assert_ne!(fingerprint(["ab", "c"]), fingerprint(["a", "bc"]));
        assert_ne!(fingerprint(["a", "b"]), fingerprint(["b", "a"]));
    }
}
