//! Numbers of stacks, and their names: code that can't be named when it is met may have a name later, as where a worker ended too soon and
//! another one has the same module, or a runtime tells late what it has made.

use super::code::Code;
use crate::model::{CallStack, Frame, HeapEntry};
use std::collections::HashMap;

/// The most looks between two tries at names.
const RAREST: u64 = 256;

/// KnownStacks that were met, all workers together.
#[derive(Debug, Default)]
pub struct KnownStacks {
    by_code: HashMap<Vec<Code>, Numbered>,
    count: u32,
    /// Looks that began.
    looks: u64,
}

#[derive(Debug)]
struct Numbered {
    number: u32,
    /// Frames that have no name yet.
    unnamed: usize,
    /// At which look it is tried again, and how many later after that.
    again: (u64, u64),
}

impl KnownStacks {
    /// The next look begins.
    pub fn look(&mut self) {
        self.looks += 1;
    }

    /// The number of the stack with this code. Where it is new, or has more names than before, it is entered; `name` tells its frames, and how
    /// many of them may have a name later.
    pub fn number(
        &mut self,
        code: &[Code],
        mut name: impl FnMut() -> (Vec<Frame>, usize),
        entries: &mut Vec<HeapEntry>,
    ) -> u32 {
        let mut pause = 1;
        if let Some(known) = self.by_code.get_mut(code) {
            let (due, paused) = known.again;
            if known.unnamed == 0 || self.looks < due {
                return known.number;
            }
            pause = (2 * paused).min(RAREST);
            known.again = (self.looks + pause, pause);
        }
        let (frames, unnamed) = name();
        if let Some(known) = self.by_code.get(code).filter(|known| known.unnamed <= unnamed) {
            return known.number;
        }
        // What is recorded stays: what comes from now on has the names.
        let number = self.count;
        self.count += 1;
        self.by_code.insert(code.to_vec(), Numbered { number, unnamed, again: (self.looks + pause, pause) });
        entries.push(HeapEntry::Stack(CallStack { frames }));
        number
    }
}

#[cfg(test)]
mod tests {
    use super::super::code::Maps;
    use super::*;

    #[test]
    fn code_that_had_no_name_is_asked_for_again() {
        let maps = Maps::parse(1, b"1000-3000 r-xp 00001000 08:01 42 /bin/x\n");
        let code = [maps.code(0x1010), maps.code(0x2010)];
        let named = |count: usize| {
            let name = |n| Some("f".to_owned()).filter(|_| n < count);
            let frames = (0..2).map(|n| Frame { function: name(n), ..code[n].bare() });
            (frames.collect::<Vec<Frame>>(), 2 - count)
        };
        let (mut stacks, mut entries) = (KnownStacks::default(), Vec::new());
        let mut number = |names: Option<usize>, looks: u64| {
            (0..looks).for_each(|_| stacks.look());
            stacks.number(&code, || named(names.expect("nobody asks now")), &mut entries)
        };
        assert_eq!(number(Some(0), 1), 0);
        // Not twice at a look, and less and less often while nothing new is known.
        assert_eq!(number(None, 0), 0);
        assert_eq!(number(Some(0), 1), 0);
        assert_eq!(number(None, 1), 0);
        assert_eq!(number(Some(1), 1), 1);
        assert_eq!(number(Some(2), 10), 2);
        // It has all its names.
        assert_eq!(number(None, 1000), 2);
        let recorded = entries.iter().map(|entry| match entry {
            HeapEntry::Stack(stack) => stack.frames.iter().filter(|frame| frame.function.is_some()).count(),
            HeapEntry::Look(_) => panic!("a look"),
        });
        assert_eq!(recorded.collect::<Vec<usize>>(), [0, 1, 2]);
    }
}
