//! Where things are in the structures of Python 3.11, and of PHP 8.2 without threads, in bytes from where each begins: for the library, and for
//! whoever reads a process from outside.

/// Where things are in Python's state of a thread (`PyThreadState`), its `_PyCFrame`, a frame (`_PyInterpreterFrame`), and code.
pub mod python {
    pub const INTERPRETER: usize = 16;
    pub const C_FRAME: usize = 56;
    /// Bytes of the state, in which the first `_PyCFrame` lies.
    pub const STATE: usize = 512;
    pub const CURRENT: usize = 8;
    pub const CODE: usize = 32;
    pub const PREVIOUS: usize = 48;
    pub const BEFORE_NEXT: usize = 56;
    pub const ENTERED: usize = 68;
    pub const INSTRUCTIONS: usize = 184;
}

/// Where things are in PHP's `executor_globals`, a frame (`zend_execute_data`), a function (`zend_op_array`), and an operation.
pub mod php {
    pub const CURRENT: usize = 488;
    pub const FUNCTION: usize = 24;
    pub const FLAGS: usize = 40;
    pub const PREVIOUS: usize = 48;
    /// The flag of a frame by which the interpreter's function was called.
    pub const ENTERED: u32 = 1 << 17;
    pub const OF_A_SCRIPT: u8 = 2;
    pub const COUNT: usize = 80;
    pub const OPERATIONS: usize = 88;
    pub const OPERATION: usize = 32;
    pub const LINE: usize = 24;
}
