//! What a watch keeps between its rounds, and from one of its processes to the next: one document, written whole or not at all.

use super::{Folder, WriteError, hold};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{self, Read};
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What the document says it is.
const FORMAT: &str = "seepage fleet watch 1";
const NAME: &str = "watch.json";
/// Bytes that are read of it: some hundred thousand series.
const LONGEST: u64 = 256 << 20;

/// Why what was kept can't be gone on with. It is left as it is.
#[derive(Debug, Error)]
pub enum KeptError {
    /// The directory or the file can't be had.
    #[error("could not open the state in {}: {source}", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is torn, or somebody else's.
    #[error("{}: expected what `seepage fleet --watch` keeps, {found}. It was left as it is: move it away, or give another --state", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What was found in its place.
        found: String,
    },
    /// It is about something else.
    #[error("{}: it was kept for another command: {what}. Give another --state, or the same as before", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: String,
    },
}

/// The document.
#[derive(Debug, Serialize, Deserialize)]
struct Document<T> {
    format: String,
    /// What it depends on: with other queries or budgets, it would be wrong.
    asked: String,
    /// What its content comes to: a digit that was damaged is still a digit.
    #[serde(default)]
    sum: String,
    content: T,
}

/// What a content comes to (FNV-1a), as it is read: digits that a number loses on the way are lost each time.
fn sum(content: &Value) -> String {
    let add = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    format!("{:016x}", content.to_string().bytes().fold(0xcbf2_9ce4_8422_2325, add))
}

/// What tells a document of ours, before the rest of it is read.
#[derive(Debug, Deserialize)]
struct Head {
    format: Option<String>,
}

/// A directory with such a document, which no other process has as long as this lives.
#[derive(Debug)]
pub struct Kept<T> {
    folder: Folder,
    asked: String,
    _held: OwnedFd,
    content: PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned> Kept<T> {
    /// Opens the directory, which is made if it isn't there, and reads what is kept in it for what is `asked`; `None` if nothing is yet.
    ///
    /// # Errors
    /// If it can't be read, another process has it, or what is in it is torn, foreign or about something else.
    pub fn open(path: &Path, asked: String) -> Result<(Self, Option<T>), KeptError> {
        let failed = |source: io::Error| KeptError::Open { path: path.to_owned(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let folder = Folder::open(path).map_err(|error| failed(error.source))?;
        let held = hold(path).map_err(failed)?;
        let kept = Kept { folder, asked, _held: held, content: PhantomData };
        let read = kept.read(&path.join(NAME), failed)?;
        Ok((kept, read))
    }

    fn read(&self, path: &Path, failed: impl Fn(io::Error) -> KeptError) -> Result<Option<T>, KeptError> {
        let file = match self.folder.read(NAME) {
            Ok(file) => file,
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error.source)),
        };
        let mut bytes = Vec::new();
        file.take(LONGEST).read_to_end(&mut bytes).map_err(&failed)?;
        let foreign = |found: String| KeptError::Foreign { path: path.to_owned(), found };
        let torn = |error: serde_json::Error| {
            foreign(if error.is_eof() {
                format!("found one that is cut off after {} bytes", bytes.len())
            } else {
                format!("found something else ({error})")
            })
        };
        let head: Head = serde_json::from_slice(&bytes).map_err(torn)?;
        if head.format.as_deref() != Some(FORMAT) {
            return Err(foreign(format!("found something else (its format isn't `{FORMAT}`)")));
        }
        let document: Document<Value> = serde_json::from_slice(&bytes).map_err(torn)?;
        if document.asked != self.asked {
            let what = format!("then it was asked for `{}`, now for `{}`", document.asked, self.asked);
            return Err(KeptError::Other { path: path.to_owned(), what });
        }
        if sum(&document.content) != document.sum {
            return Err(foreign("found one that was changed since it was written (its sum is another)".to_owned()));
        }
        serde_json::from_value(document.content).map(Some).map_err(torn)
    }

    /// Keeps this in the place of what was there.
    ///
    /// # Errors
    /// If it can't be written; what was there stays.
    pub fn write(&self, content: &T) -> Result<(), WriteError> {
        let read = serde_json::to_vec(content).and_then(|text| serde_json::from_slice(&text));
        let sum = sum(&read.unwrap_or_default());
        self.folder
            .write_document(NAME, &Document { format: FORMAT.to_owned(), asked: self.asked.clone(), sum, content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Numbers = Vec<u32>;

    fn open(path: &Path, asked: &str) -> Result<(Kept<Numbers>, Option<Numbers>), KeptError> {
        Kept::open(path, asked.to_owned())
    }

    #[test]
    fn what_is_kept_is_there_again() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b");
        let (kept, before) = open(&path, "q").unwrap();
        assert_eq!(before, None);
        kept.write(&vec![1, 2]).unwrap();
        assert!(open(&path, "q").unwrap_err().to_string().contains("another process"));
        drop(kept);
        assert_eq!(open(&path, "q").unwrap().1, Some(vec![1, 2]));
        let error = open(&path, "other").unwrap_err().to_string();
        assert!(error.contains("then it was asked for `q`, now for `other`"), "{error}");
    }

    #[test]
    fn what_is_torn_or_foreign_is_told_and_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(NAME);
        for (text, told) in [
            ("", "cut off after 0 bytes"),
            ("{\"format\":\"seepage fleet watch 1\",\"asked\":\"q\",\"content\":[1,", "cut off"),
            ("{\"format\":\"seepage fleet watch 1\",\"asked\":\"q\",\"content\":\"x\"}", "was changed since"),
            (
                "{\"format\":\"seepage fleet watch 1\",\"asked\":\"q\",\"content\":[1,2]}",
                "was changed since it was written",
            ),
            ("{\"a\":1}", "its format isn't"),
            ("[1]", "something else"),
            ("hello", "something else"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = open(home.path(), "q").unwrap_err().to_string();
            assert!(error.contains(told) && error.contains("move it away"), "{text}: {error}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        }
    }

    #[test]
    fn a_damaged_digit_is_found() {
        let home = tempfile::tempdir().unwrap();
        let (kept, _) = Kept::<Vec<f64>>::open(home.path(), "q".to_owned()).unwrap();
        let content = vec![1234.5, 0.1 + 0.2, 1e300, 7.0];
        kept.write(&content).unwrap();
        drop(kept);
        let file = home.path().join(NAME);
        let whole = std::fs::read(&file).unwrap();
        let read = || Kept::<Vec<f64>>::open(home.path(), "q".to_owned()).map(|(_, read)| read);
        assert_eq!(read().unwrap(), Some(content));
        let begin = whole.windows(9).position(|part| part == b"\"content\"").unwrap();
        for place in (begin..whole.len()).filter(|place| whole[*place].is_ascii_digit()) {
            let mut damaged = whole.clone();
            damaged[place] = b'0' + (whole[place] - b'0' + 1) % 10;
            std::fs::write(&file, &damaged).unwrap();
            // The last digits may stand for the same number.
            match read() {
                Err(error) => assert!(error.to_string().contains("move it away"), "{error}"),
                Ok(same) => assert_eq!(same.unwrap(), vec![1234.5, 0.1 + 0.2, 1e300, 7.0], "{place}"),
            }
        }
    }
}
