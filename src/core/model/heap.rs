//! What the preload library counted in a worker.

use super::WorkerId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Exact counts of one worker's allocations at one moment, in bytes unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeapReading {
    /// Live bytes in blocks, as their allocator rounds them.
    pub live: u64,
    /// Bytes allocated since the process began: churn is its growth.
    pub allocated: u64,
    /// Live blocks.
    pub blocks: u64,
    /// Blocks allocated since the process began.
    pub allocations: u64,
    /// Live bytes in anonymous private mappings that the program made itself, past its allocator.
    pub mapped: u64,
    /// Anonymous memory that the library itself takes in this process, which is no part of the worker's.
    pub own: u64,
}

impl HeapReading {
    /// Live bytes, wherever the program got them.
    pub fn in_use(&self) -> u64 {
        self.live.saturating_add(self.mapped)
    }
}

/// All that is known of who allocated in a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeapRecord {
    /// Call stacks; `SampledBlock::stack` is a place in it.
    pub stacks: Vec<CallStack>,
    /// Looks at the sampled live sets of the workers, in the order they were taken.
    pub looks: Vec<HeapLook>,
}

impl HeapRecord {
    /// Takes in the next line.
    pub fn put(&mut self, entry: HeapEntry) {
        match entry {
            HeapEntry::Stack(stack) => self.stacks.push(stack),
            HeapEntry::Look(look) => self.looks.push(look),
        }
    }
}

/// One line of a run's `heap.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeapEntry {
    /// The next call stack.
    Stack(CallStack),
    /// A look at a live set.
    Look(HeapLook),
}

/// Where a program was when it allocated: frames, innermost first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CallStack {
    /// The frames; functions that were inlined are frames of their own.
    pub frames: Vec<Frame>,
}

/// One frame of a call stack.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Frame {
    /// Path of the module, or a name in brackets for code that lies in no file.
    pub module: String,
    /// Place in that file, or the address in code that lies in none.
    pub offset: u64,
    /// Function, demangled; missing without symbols.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Source file; missing without debug information.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line in it, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// `mod_upload.so: keep_body (mod_upload.c:57)`; without symbols `mod_upload.so+0x1a2b`.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = |path: &'_ str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let module = file(self.module.strip_suffix(" (deleted)").unwrap_or(&self.module));
        match &self.function {
            Some(function) => write!(f, "{module}: {function}")?,
            None if module.is_empty() => f.write_str("stacks that are not known")?,
            None => write!(f, "{module}+{:#x}", self.offset)?,
        }
        match (&self.file, self.line) {
            (Some(path), Some(line)) => write!(f, " ({}:{line})", file(path)),
            (Some(path), None) => write!(f, " ({})", file(path)),
            (None, _) => Ok(()),
        }
    }
}

/// What a sample is taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeapSource {
    /// Allocated bytes: a block of `size` bytes is in the sample with probability `1 - exp(-size / mean)`.
    #[default]
    Allocations,
    /// Pages that were touched first: one of `size` bytes is in the sample with probability `size / mean`. It counts as gone once it was
    /// given back, or what was written to it first was written over.
    Pages,
}

/// One look at the sampled live set of one worker: what has come and gone since the look before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeapLook {
    /// Seconds since the start of the run.
    pub t: f64,
    /// The worker.
    pub worker: WorkerId,
    /// What was sampled.
    #[serde(default, skip_serializing_if = "is_default")]
    pub source: HeapSource,
    /// Mean of bytes between samples. When it is raised, blocks leave the sample without having been freed.
    pub mean: u64,
    /// What the library has failed to note so far.
    #[serde(flatten)]
    pub lost: HeapLost,
    /// Blocks that are new; those of a worker are numbered from 0 through all of its looks.
    pub came: Vec<SampledBlock>,
    /// Numbers of those that are no more.
    pub went: Vec<u32>,
    /// Estimates of the bytes allocated since the look before, by stack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allocated: Vec<(u32, u64)>,
}

/// What the library failed to note in one process since it began; a child begins with its parent's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeapLost {
    /// Samples, and frees of sampled blocks: what is live is then a little more or less than the sample says.
    #[serde(rename = "lost")]
    pub samples: u64,
    /// Samples whose stack there was no room for.
    #[serde(rename = "lost_stacks", default, skip_serializing_if = "is_zero")]
    pub stacks: u64,
    /// Mappings that there was no room to follow: they count as gone at once.
    #[serde(rename = "lost_mappings", default, skip_serializing_if = "is_zero")]
    pub mappings: u64,
    /// Bytes allocated by threads that there was no slot for: they are counted, but never sampled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unsampled: u64,
}

impl HeapLost {
    /// What came since an earlier look.
    pub fn since(&self, earlier: &HeapLost) -> HeapLost {
        HeapLost {
            samples: self.samples.saturating_sub(earlier.samples),
            stacks: self.stacks.saturating_sub(earlier.stacks),
            mappings: self.mappings.saturating_sub(earlier.mappings),
            unsampled: self.unsampled.saturating_sub(earlier.unsampled),
        }
    }

    /// This and another process's together.
    pub fn and(&self, other: &HeapLost) -> HeapLost {
        HeapLost {
            samples: self.samples.saturating_add(other.samples),
            stacks: self.stacks.saturating_add(other.stacks),
            mappings: self.mappings.saturating_add(other.mappings),
            unsampled: self.unsampled.saturating_add(other.unsampled),
        }
    }

    /// Whether the sample and the exact counts are still of the same blocks.
    pub fn is_whole(&self) -> bool {
        self.samples == 0 && self.mappings == 0 && self.unsampled == 0
    }
}

fn is_default(source: &HeapSource) -> bool {
    *source == HeapSource::default()
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A block or mapping in the sample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SampledBlock {
    /// Its stack; `None` if there was no room for it.
    pub stack: Option<u32>,
    /// Bytes that it had when it was sampled.
    pub size: u64,
    /// Bytes of it that are live, if not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<u64>,
    /// When it was allocated, in seconds since the start of the run; before that for what was there already.
    pub born: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_of_older_runs_are_read_and_new_ones_come_back() {
        let old = r#"{"look":{"t":1.5,"worker":{"pid":1,"start":2},"mean":64,"lost":3,"came":[],"went":[4]}}"#;
        let HeapEntry::Look(mut look) = serde_json::from_str(old).unwrap() else { panic!("no look") };
        assert_eq!(look.lost, HeapLost { samples: 3, ..HeapLost::default() });
        assert_eq!(serde_json::to_string(&HeapEntry::Look(look.clone())).unwrap(), old);
        look.lost = HeapLost { samples: 3, stacks: 5, mappings: 7, unsampled: 9 };
        let written = serde_json::to_string(&look).unwrap();
        assert_eq!(serde_json::from_str::<HeapLook>(&written).unwrap(), look);
    }

    #[test]
    fn frames_have_names() {
        let mut frame = Frame {
            module: "/srv/lib/mod_upload.so (deleted)".into(),
            offset: 0x1a2b,
            function: Some("keep_body".into()),
            file: Some("/srv/src/mod_upload.c".into()),
            line: Some(57),
        };
        assert_eq!(frame.to_string(), "mod_upload.so: keep_body (mod_upload.c:57)");
        frame.line = None;
        assert_eq!(frame.to_string(), "mod_upload.so: keep_body (mod_upload.c)");
        frame.file = None;
        assert_eq!(frame.to_string(), "mod_upload.so: keep_body");
        frame.function = None;
        assert_eq!(frame.to_string(), "mod_upload.so+0x1a2b");
        assert_eq!(Frame::default().to_string(), "stacks that are not known");
    }
}
