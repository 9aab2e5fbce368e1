//! Which functions of a script are executed, by the structures of the interpreter: Python 3.11, and PHP 8.2 without threads.
//!
//! They are read in the thread that executes the script, while the interpreter's function waits on its stack for what it has called: so
//! what is read stays where it is meanwhile. The kernel isn't asked whether it may be read, for a program may have forbidden
//! itself to ask; that the structures are those of these versions is known before, from the interpreter.

use super::layout::{DEPTH, NO_INTERPRETER, PHP, PYTHON, UNKNOWN_INTERPRETER};
use super::libc;
use super::structures::{php, python};
use core::ffi::{CStr, c_void};
use core::mem::transmute;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicU32, AtomicUsize};

/// How PHP tells the version whose structures are known.
const PHP_VERSION: &[u8] = b"Zend Engine v4.2.";

/// The register in which PHP's interpreter has the operation, by its number in tables for exceptions.
const OPERATION: core::ffi::c_int = 15;

/// The function of the interpreter that executes scripts; 0 if there is none.
static EXECUTES: AtomicUsize = AtomicUsize::new(0);

/// Which interpreter it is, as `layout.rs` numbers them.
static WHICH: AtomicU32 = AtomicU32::new(NO_INTERPRETER);

/// Of Python, three of its functions and the type of its code; of PHP, its globals and the function that tells its version.
static KNOWN: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];

/// A place in a function of a script.
#[derive(Clone, Copy)]
pub struct Place {
    /// The function's code.
    pub code: usize,
    /// Of Python, the number of an instruction; of PHP, a line.
    pub at: u32,
    /// Whether the interpreter's function was called to execute it.
    pub entered: bool,
}

/// Functions of a script, each called by the one after it.
pub struct Places {
    places: [Place; DEPTH],
    count: usize,
}

impl Places {
    pub const fn none() -> Self {
        Places { places: [Place { code: 0, at: 0, entered: false }; DEPTH], count: 0 }
    }

    pub fn all(&self) -> &[Place] {
        &self.places[..self.count]
    }

    /// Adds one; false if there is no room for more.
    fn push(&mut self, place: Place) -> bool {
        self.places[self.count] = place;
        self.count += 1;
        self.count < DEPTH
    }
}

/// Looks for an interpreter in the program and the libraries that it is linked to.
#[allow(dead_code, reason = "not called where the library's code is a part of a test")]
pub fn learn() {
    let find = |name: &CStr| libc::function(libc::RTLD_DEFAULT, name, None) as usize;
    let python = find(c"_PyEval_EvalFrameDefault");
    let php = find(c"zend_compile_file");
    let (executes, wanted) = if python != 0 {
        let names = [c"PyGILState_GetThisThreadState", c"_PyThreadState_UncheckedGet", c"PyThreadState_GetInterpreter"];
        (python, [find(names[0]), find(names[1]), find(names[2]), find(c"PyCode_Type")])
    } else if php != 0 {
        (find(c"execute_ex"), [find(c"executor_globals"), find(c"get_zend_version"), 1, 1])
    } else {
        return;
    };
    let version = find(c"Py_Version");
    // SAFETY: Python has a word there, which is never written to.
    let is_known = python == 0 || version != 0 && is_python(unsafe { word(version) });
    let which = match is_known && wanted.iter().all(|address| *address != 0) {
        false => UNKNOWN_INTERPRETER,
        true if python != 0 => PYTHON,
        true => PHP,
    };
    KNOWN.iter().zip(wanted).for_each(|(known, address)| known.store(address, Relaxed));
    WHICH.store(which, Relaxed);
    EXECUTES.store(executes, Relaxed);
}

/// Whether Python's version is a released 3.11.
fn is_python(version: usize) -> bool {
    version >> 16 == 0x030b && version & 0xf0 == 0xf0
}

/// The interpreter that was found, and the type of Python's code.
pub fn interpreter() -> (u32, usize) {
    (WHICH.load(Relaxed), KNOWN[3].load(Relaxed))
}

/// Whether this is the function that executes scripts.
pub fn executes(function: usize) -> bool {
    function != 0 && function == EXECUTES.load(Relaxed)
}

/// The operation that PHP executes, by the registers of its interpreter's function.
///
/// # Safety
/// The unwinder is at that function.
pub unsafe fn operation(context: *mut c_void) -> usize {
    // SAFETY: each function gives this register back, and so it is known of all on the stack.
    if WHICH.load(Relaxed) == PHP { unsafe { libc::_Unwind_GetGR(context, OPERATION) } } else { 0 }
}

/// The functions of the script that are executed, innermost first; `operation` is what [`operation`] said of the innermost of the
/// interpreter's functions on this thread's stack, whose `bounds` are known.
///
/// # Safety
/// The interpreter's function is on this thread's stack.
pub unsafe fn read(operation: usize, bounds: (usize, usize), places: &mut Places) {
    let known = |number: usize| KNOWN[number].load(Relaxed);
    // SAFETY: the functions have these types, change nothing and take no lock; the structures are as `learn` has seen, but for PHP,
    // which tells its version only once it has started: as it has when it executes.
    unsafe {
        match WHICH.load(Relaxed) {
            PYTHON => {
                type State = unsafe extern "C" fn() -> usize;
                let own = transmute::<usize, State>(known(0))();
                // Whoever executes a script holds the interpreter's lock, and is the current one.
                if own == 0 || own != transmute::<usize, State>(known(1))() {
                    return;
                }
                let its = transmute::<usize, unsafe extern "C" fn(usize) -> usize>(known(2))(own);
                if word(own + python::INTERPRETER) == its {
                    read_python(own, bounds, places);
                }
            }
            PHP => {
                let version = transmute::<usize, unsafe extern "C" fn() -> *const u8>(known(1))();
                if !version.is_null() && (0..PHP_VERSION.len()).all(|at| *version.add(at) == PHP_VERSION[at]) {
                    read_php(known(0), operation, places);
                } else {
                    WHICH.store(UNKNOWN_INTERPRETER, Relaxed);
                }
            }
            _ => {}
        }
    }
}

/// Reads the frames of Python from the state of a thread on, whose stack has these bounds.
///
/// # Safety
/// The state is this thread's, or none whose frames change.
pub unsafe fn read_python(state: usize, (low, high): (usize, usize), places: &mut Places) {
    // SAFETY: the state is there; what it points to is on the thread's stack, or in the state; frames wait for what they called, and their
    // code lives as long as they.
    unsafe {
        let current = word(state + python::C_FRAME);
        let is_there = (low..high).contains(&current) || (state..state + python::STATE).contains(&current);
        if !is_there || !current.is_multiple_of(8) {
            return;
        }
        let mut frame = word(current + python::CURRENT);
        while may_be(frame) {
            let (code, before) = (word(frame + python::CODE), word(frame + python::BEFORE_NEXT));
            let entered = byte(frame + python::ENTERED);
            if !may_be(code) || entered > 1 {
                return;
            }
            // One that hasn't begun has one before the first instruction.
            let instruction = before.wrapping_sub(code + python::INSTRUCTIONS) as isize >> 1;
            let at = u32::try_from(instruction).unwrap_or(u32::MAX);
            if !places.push(Place { code, at, entered: entered == 1 }) {
                return;
            }
            frame = word(frame + python::PREVIOUS);
        }
    }
}

/// Reads the frames of PHP from its globals on; `operation` may be that of the innermost function.
///
/// # Safety
/// The globals are those of the interpreter that this thread executes, or none whose frames change.
pub unsafe fn read_php(globals: usize, operation: usize, places: &mut Places) {
    // SAFETY: frames wait for what they called, and their functions live as long as they; an operation is read where it lies within its function.
    unsafe {
        let mut frame = word(globals + php::CURRENT);
        while may_be(frame) {
            let function = word(frame + php::FUNCTION);
            if may_be(function) && byte(function) == php::OF_A_SCRIPT {
                let (first, count) = (word(function + php::OPERATIONS), half(function + php::COUNT) as usize);
                let is_own = |operation: &usize| {
                    let place = operation.wrapping_sub(first);
                    place < count * php::OPERATION && place.is_multiple_of(php::OPERATION)
                };
                // What lies in the frame may be of an operation before, which the register isn't.
                let innermost = Some(operation).filter(|_| places.count == 0).filter(is_own);
                let executed = innermost.or(Some(word(frame)).filter(is_own));
                let at = executed.map_or(0, |operation| half(operation + php::LINE));
                let entered = half(frame + php::FLAGS) & php::ENTERED != 0;
                if !places.push(Place { code: function, at, entered }) {
                    return;
                }
            }
            frame = word(frame + php::PREVIOUS);
        }
    }
}

/// Puts the script's functions behind the interpreter's functions that execute them, bit by bit of `executes`, on a stack of addresses
/// with the innermost first; `number` says which word stands for a place, if any does. Returns the stack and its depth.
pub fn merge(
    stack: &[usize],
    executes: u64,
    places: &[Place],
    mut number: impl FnMut(&Place) -> Option<usize>,
) -> ([usize; DEPTH], usize) {
    let (mut merged, mut depth, mut left) = ([0; DEPTH], 0, places.iter());
    let mut put = |word: Option<usize>| {
        if let Some(word) = word
            && depth < DEPTH
        {
            merged[depth] = word;
            depth += 1;
        }
    };
    for (at, address) in stack.iter().enumerate() {
        put(Some(*address));
        if executes >> at & 1 == 1 {
            for place in left.by_ref() {
                put(number(place));
                if place.entered {
                    break;
                }
            }
        }
    }
    // The stack was cut, or the interpreter's function has a part that lies elsewhere.
    left.for_each(|place| put(number(place)));
    (merged, depth)
}

/// Whether a word may be an address of a structure.
fn may_be(address: usize) -> bool {
    address > 4096 && address < 1 << 47 && address.is_multiple_of(8)
}

unsafe fn word(address: usize) -> usize {
    // SAFETY: the caller vouches for it.
    unsafe { (address as *const usize).read_volatile() }
}

unsafe fn half(address: usize) -> u32 {
    // SAFETY: as above.
    unsafe { (address as *const u32).read_volatile() }
}

unsafe fn byte(address: usize) -> u8 {
    // SAFETY: as above.
    unsafe { (address as *const u8).read_volatile() }
}
