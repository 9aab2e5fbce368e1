//! The registers that a stack is walked from, by architecture: their bits as the kernel numbers them, in that order, and what they are to
//! the unwinder. On aarch64 this is untested.

use framehop::UnwindRegsNative;

/// `PERF_REG_X86_BX`, `_BP`, `_SP`, `_IP`, and `_R12` to `_R15`.
#[cfg(target_arch = "x86_64")]
pub const MASK: u64 = 1 << 1 | 1 << 6 | 1 << 7 | 1 << 8 | 0xf << 20;
/// `PERF_REG_ARM64_X29`, `_LR`, `_SP` and `_PC`.
#[cfg(target_arch = "aarch64")]
pub const MASK: u64 = 1 << 29 | 1 << 30 | 1 << 31 | 1 << 32;

/// How many there are.
pub const COUNT: usize = MASK.count_ones() as usize;

/// The registers that each function gives back as it found them, by their numbers in tables for exceptions: BX, BP, and R12 to R15.
#[cfg(target_arch = "x86_64")]
pub const KEPT: [u16; 6] = [3, 6, 12, 13, 14, 15];
/// None: no interpreter's are known there.
#[cfg(target_arch = "aarch64")]
pub const KEPT: [u16; 0] = [];

/// What these registers hold; `None` where that isn't known.
pub type Kept = [Option<u64>; KEPT.len()];

/// The address of the code, the pointer of the stack, and all that the unwinder wants.
#[cfg(target_arch = "x86_64")]
pub fn walked_from([_, bp, sp, ip, ..]: [u64; COUNT]) -> (u64, u64, UnwindRegsNative) {
    (ip, sp, UnwindRegsNative::new(ip, sp, bp))
}

/// The address of the code, the pointer of the stack, and all that the unwinder wants.
#[cfg(target_arch = "aarch64")]
pub fn walked_from([fp, lr, sp, pc]: [u64; COUNT]) -> (u64, u64, UnwindRegsNative) {
    (pc, sp, UnwindRegsNative::new(lr, sp, fp))
}

/// What the registers hold that functions give back.
#[cfg(target_arch = "x86_64")]
pub fn kept([bx, bp, _, _, r12, r13, r14, r15]: [u64; COUNT]) -> Kept {
    [bx, bp, r12, r13, r14, r15].map(Some)
}

/// What the registers hold that functions give back.
#[cfg(target_arch = "aarch64")]
pub fn kept(_: [u64; COUNT]) -> Kept {
    []
}

/// Registers of code at this address, with these pointers of the stack and of the frame.
#[cfg(test)]
pub fn at(code: u64, stack: u64, frame: u64) -> [u64; COUNT] {
    let mut registers = [stack; COUNT];
    let places = if cfg!(target_arch = "x86_64") { [1, 3] } else { [0, 3] };
    for (place, value) in places.into_iter().zip([frame, code]) {
        registers[place] = value;
    }
    registers
}
