//! The line that PHP 8.2 executes: while its interpreter works, one register points to the function's frame, and one to the operation.

use super::memory::{Memory, NAME, name};
use super::structures::php;
use crate::model::Frame;
use crate::sites::SCRIPT;

/// Where things are in the structures of a frame (`zend_execute_data`), a function (`zend_op_array`), a class (`zend_class_entry`), an
/// operation (`zend_op`), and text (`zend_string`).
mod at {
    use super::php;

    pub const FUNCTION: u64 = php::FUNCTION as u64;
    pub const NAME: u64 = 8;
    pub const CLASS: u64 = 16;
    pub const COUNT: u64 = php::COUNT as u64;
    pub const OPERATIONS: u64 = php::OPERATIONS as u64;
    pub const FILE: u64 = 152;
    pub const LINE: u64 = php::LINE as u64;
    pub const LENGTH: u64 = 16;
    pub const TEXT: u64 = 24;
}

/// Bytes of an operation.
const OPERATION: u64 = php::OPERATION as u64;

/// Bytes of the operations of a function that are read.
const MOST: usize = 1 << 20;

/// What is at an operation.
pub type Identity = [u8; OPERATION as usize];

/// What is at an operation; the same in another one's place is most likely the same.
pub fn identity(memory: &impl Memory, operation: u64) -> Option<Identity> {
    memory.bytes(operation)
}

/// A line of the function that lies there, if it has an operation of that line; its name alone if the line is 0.
pub fn placed(memory: &impl Memory, function: u64, line: u32) -> Option<Frame> {
    let operations =
        memory.some(memory.word(function.checked_add(at::OPERATIONS)?)?, length(memory, function)?, MOST)?;
    let lines =
        operations.as_chunks::<{ OPERATION as usize }>().0.iter().map(|operation| &operation[at::LINE as usize..]);
    let has = |wanted: u32| lines.filter_map(<[u8]>::first_chunk).any(|line| u32::from_ne_bytes(*line) == wanted);
    (line == 0 || has(line)).then(|| named(memory, function, line))?
}

/// The line of an operation, if it is one of the function that has this frame. It may be another one's by now.
pub fn frame(memory: &impl Memory, frame: u64, operation: u64) -> Option<Frame> {
    let function = memory.word(frame.checked_add(at::FUNCTION)?)?;
    let first = memory.word(function.checked_add(at::OPERATIONS)?)?;
    let place = operation.checked_sub(first)?;
    if place >= length(memory, function)? || !place.is_multiple_of(OPERATION) {
        return None;
    }
    named(memory, function, memory.half(operation + at::LINE)?)
}

/// Bytes of a function's operations; `None` if it is none of a script.
fn length(memory: &impl Memory, function: u64) -> Option<u64> {
    let [kind] = memory.bytes(function)?;
    let count = memory.half(function.checked_add(at::COUNT)?)?;
    (kind == php::OF_A_SCRIPT).then_some(u64::from(count) * OPERATION)
}

/// A line of a function.
fn named(memory: &impl Memory, function: u64, line: u32) -> Option<Frame> {
    let named = match memory.word(function + at::NAME)? {
        0 => "(main)".to_owned(),
        own => match memory.word(function + at::CLASS)? {
            0 => text(memory, own)?,
            class => format!("{}::{}", text(memory, memory.word(class.checked_add(at::NAME)?)?)?, text(memory, own)?),
        },
    };
    let file = name(text(memory, memory.word(function + at::FILE)?)?)?;
    Some(Frame {
        module: SCRIPT.into(),
        function: Some(name(named)?),
        file: Some(file),
        line: Some(line).filter(|line| *line > 0),
        ..Frame::default()
    })
}

fn text(memory: &impl Memory, string: u64) -> Option<String> {
    let length = memory.word(string.checked_add(at::LENGTH)?)?;
    String::from_utf8(memory.some(string.checked_add(at::TEXT)?, length, NAME)?).ok()
}

#[cfg(test)]
pub mod tests {
    use super::super::memory::Written;
    use super::*;

    pub const FRAME: u64 = 0x1000;
    pub const FIRST: u64 = 0x4000;

    fn string(memory: &mut Written, at: u64, text: &str) {
        memory.put_word(at + at::LENGTH, text.len() as u64);
        memory.put(at + at::TEXT, text.as_bytes());
    }

    /// Writes a frame of a function of two operations, at lines 7 and 8.
    pub fn write(memory: &mut Written, function: &str, class: Option<&str>) {
        let code = 0x2000;
        memory.put(code, &[0; 256]);
        memory.put(code, &[php::OF_A_SCRIPT]);
        memory.put_word(FRAME + at::FUNCTION, code);
        for (at, word) in [(at::NAME, 0x5000), (at::COUNT, 2), (at::OPERATIONS, FIRST), (at::FILE, 0x6000)] {
            memory.put_word(code + at, word);
        }
        string(memory, 0x5000, function);
        string(memory, 0x6000, "/srv/k.php");
        if let Some(class) = class {
            memory.put_word(code + at::CLASS, 0x7000);
            memory.put_word(0x7000 + at::NAME, 0x8000);
            string(memory, 0x8000, class);
        }
        for (operation, line) in [(FIRST, 7u32), (FIRST + OPERATION, 8)] {
            memory.put(operation, &[0; OPERATION as usize]);
            memory.put(operation + at::LINE, &line.to_ne_bytes());
        }
    }

    #[test]
    fn an_operation_has_its_line_where_it_is_the_functions() {
        let mut memory = Written::default();
        write(&mut memory, "keep", None);
        let told = |memory: &Written, operation| frame(memory, FRAME, operation).map(|frame| frame.to_string());
        assert_eq!(told(&memory, FIRST).as_deref(), Some("[script]: keep (k.php:7)"));
        assert_eq!(told(&memory, FIRST + OPERATION).as_deref(), Some("[script]: keep (k.php:8)"));
        for operation in [FIRST - OPERATION, FIRST + 8, FIRST + 2 * OPERATION, 0, u64::MAX] {
            assert_eq!(told(&memory, operation), None);
        }
        write(&mut memory, "keep", Some("Kept"));
        assert_eq!(told(&memory, FIRST).as_deref(), Some("[script]: Kept::keep (k.php:7)"));
        // A function of C.
        memory.put(0x2000, &[1]);
        assert_eq!(told(&memory, FIRST), None);
    }
}
