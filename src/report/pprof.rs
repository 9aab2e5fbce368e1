//! Who allocated as a profile for pprof (`profile.proto`, gzipped): bytes and blocks live at the end, bytes by which that
//! grew, and bytes allocated in all.
//!
//! The message is small enough to be written by hand: every field is a number, a text or a message, each with its tag
//! (protobuf's encoding).

use super::text::plain;
use crate::model::{CallStack, Frame, RunRecord};
use crate::sites::stack_totals;
use flate2::{Compression, GzBuilder};
use std::collections::HashMap;
use std::io::Write;

/// What each sample counts, with its unit; pprof shows the first unless it is asked otherwise.
const TYPES: [(&str, &str); 4] =
    [("growth", "bytes"), ("inuse_space", "bytes"), ("inuse_objects", "count"), ("alloc_space", "bytes")];

/// Renders the profile.
pub fn render(record: &RunRecord) -> Vec<u8> {
    let profile = Profile::of(record);
    // Without a time stamp, so that the same run gives the same bytes.
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::default());
    let written = gzip.write_all(&profile.message.0);
    written.and_then(|()| gzip.finish()).expect("writing to memory doesn't fail")
}

/// A message of protobuf.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, field: u64, value: u64) {
        if value != 0 {
            self.varint(field << 3);
            self.varint(value);
        }
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn numbers(&mut self, field: u64, values: impl IntoIterator<Item = u64>) {
        let mut packed = Message::default();
        values.into_iter().for_each(|value| packed.varint(value));
        self.bytes(field, &packed.0);
    }
}

/// The profile on its way: its message, and the numbers of what it has named already, from 1.
#[derive(Default)]
struct Profile {
    message: Message,
    texts: HashMap<String, u64>,
    modules: HashMap<String, u64>,
    functions: HashMap<(u64, u64), u64>,
    locations: HashMap<Frame, u64>,
}

impl Profile {
    fn of(record: &RunRecord) -> Self {
        let mut profile = Profile::default();
        profile.text("");
        for (name, unit) in TYPES {
            let mut kind = Message::default();
            kind.number(1, profile.text(name));
            kind.number(2, profile.text(unit));
            profile.message.bytes(1, &kind.0);
        }
        for total in stack_totals(record) {
            let stack = total.stack.and_then(|stack| record.heap.stacks.get(stack as usize));
            let locations = profile.stack(stack);
            let mut sample = Message::default();
            sample.numbers(1, locations);
            // A negative growth is written as all 64 bits of it, as protobuf has it.
            let values = [total.growth, total.live, total.blocks, total.allocated];
            sample.numbers(2, values.map(|value| value.round() as i64 as u64));
            profile.message.bytes(2, &sample.0);
        }
        let seconds = record.meta.elapsed.unwrap_or(0.0).max(0.0);
        profile.message.number(10, (seconds * 1e9) as u64);
        let mut period = Message::default();
        period.number(1, profile.text("space"));
        period.number(2, profile.text("bytes"));
        profile.message.bytes(11, &period.0);
        profile.message.number(12, record.heap.looks.iter().map(|look| look.mean).max().unwrap_or(0));
        profile
    }

    /// The number of a text in the table, in which it is entered when it is new.
    fn text(&mut self, text: &str) -> u64 {
        let text = plain(text);
        if let Some(number) = self.texts.get(&text) {
            return *number;
        }
        let number = self.texts.len() as u64;
        self.message.bytes(6, text.as_bytes());
        self.texts.insert(text, number);
        number
    }

    fn stack(&mut self, stack: Option<&CallStack>) -> Vec<u64> {
        stack.map_or_else(Vec::new, |stack| stack.frames.iter().map(|frame| self.location(frame)).collect())
    }

    fn location(&mut self, frame: &Frame) -> u64 {
        if let Some(number) = self.locations.get(frame) {
            return *number;
        }
        let module = self.module(&frame.module);
        let function = self.function(frame);
        let number = self.locations.len() as u64 + 1;
        let mut line = Message::default();
        line.number(1, function);
        line.number(2, frame.line.unwrap_or(0).into());
        let mut location = Message::default();
        location.number(1, number);
        location.number(2, module);
        location.number(3, frame.offset);
        location.bytes(4, &line.0);
        self.message.bytes(4, &location.0);
        self.locations.insert(frame.clone(), number);
        number
    }

    fn module(&mut self, path: &str) -> u64 {
        if let Some(number) = self.modules.get(path) {
            return *number;
        }
        let number = self.modules.len() as u64 + 1;
        let mut mapping = Message::default();
        mapping.number(1, number);
        mapping.number(5, self.text(path));
        // It has functions, files and lines where they are known: pprof need not look for them.
        (7..=9).for_each(|field| mapping.number(field, 1));
        self.message.bytes(3, &mapping.0);
        self.modules.insert(path.to_owned(), number);
        number
    }

    fn function(&mut self, frame: &Frame) -> u64 {
        let bare = || Frame { file: None, line: None, ..frame.clone() }.to_string();
        let name = self.text(&frame.function.clone().unwrap_or_else(bare));
        let file = self.text(frame.file.as_deref().unwrap_or_default());
        if let Some(number) = self.functions.get(&(name, file)) {
            return *number;
        }
        let number = self.functions.len() as u64 + 1;
        let mut function = Message::default();
        function.number(1, number);
        function.number(2, name);
        function.number(3, name);
        function.number(4, file);
        self.message.bytes(5, &function.0);
        self.functions.insert((name, file), number);
        number
    }
}
