//! Interpreters of scripts whose structures are known, as files of code have them.

use object::read::{ReadRef, Result};
use object::{Object, ObjectSection, ObjectSymbol};
use std::ops::Range;

/// Symbols that are looked at.
const MOST_SYMBOLS: usize = 1 << 20;

/// A section that is larger isn't read.
const MOST: u64 = 64 << 20;

/// What is in PHP's own data where its structures are those of 8.2, without threads.
const PHP: &[u8] = b"\0API420220829,NTS\0";

/// Python's version begins with this, of which the last two bytes say what doesn't change structures.
const PYTHON: u64 = 0x030b;

/// An interpreter in a file of code; addresses are the file's.
#[derive(Debug, Clone)]
pub struct Interpreter {
    /// The function that executes scripts.
    pub executes: Range<u64>,
    /// Which one it is; `None` if its structures aren't known.
    pub language: Option<Language>,
}

/// What is executed, where its structures are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Python 3.11, and the address of the type of its code.
    Python(u64),
    /// PHP 8.2.
    Php,
}

impl Interpreter {
    /// The one in this file, if there is one.
    pub fn within<'a, R: ReadRef<'a>>(file: &object::File<'a, R>) -> Option<Self> {
        let symbol = |wanted: &str| {
            // Extensions need them, so that they are here in files without other symbols too.
            let all = file.dynamic_symbols().take(MOST_SYMBOLS);
            let found = all.filter(ObjectSymbol::is_definition).find(|symbol| symbol.name() == Ok(wanted))?;
            Some(found.address()..found.address().checked_add(found.size())?)
        };
        if let Some(executes) = symbol("_PyEval_EvalFrameDefault") {
            let language = || {
                let version = word_at(file, symbol("Py_Version")?.start)?;
                (version >> 16 == PYTHON).then_some(Language::Python(symbol("PyCode_Type")?.start))
            };
            return Some(Interpreter { language: language(), executes });
        }
        // Others may have a function of that name.
        symbol("zend_compile_file")?;
        let executes = symbol("execute_ex")?;
        let read_only = file.section_by_name(".rodata").filter(|section| section.size() <= MOST)?;
        let has = read_only.data().is_ok_and(|data| data.windows(PHP.len()).any(|bytes| bytes == PHP));
        Some(Interpreter { executes, language: has.then_some(Language::Php) })
    }
}

/// The word at an address of a file.
fn word_at<'a, R: ReadRef<'a>>(file: &object::File<'a, R>, address: u64) -> Option<u64> {
    let within = |section: &object::Section<'a, '_, R>| {
        section.address() <= address && address - section.address() < section.size() && section.size() <= MOST
    };
    let section = file.sections().find(within)?;
    let at = |data: Result<&[u8]>| {
        let at = usize::try_from(address - section.address()).ok()?;
        Some(u64::from_ne_bytes(*data.ok()?.get(at..)?.first_chunk()?))
    };
    at(section.data())
}
