//! The registers that a stack is walked from, by architecture: their bits as the kernel numbers them, in that order, and what they are to
//! the unwinder. On aarch64 this is untested.

use framehop::UnwindRegsNative;

/// `PERF_REG_X86_BP`, `_SP` and `_IP`.
#[cfg(target_arch = "x86_64")]
pub const MASK: u64 = 1 << 6 | 1 << 7 | 1 << 8;
/// `PERF_REG_ARM64_X29`, `_LR`, `_SP` and `_PC`.
#[cfg(target_arch = "aarch64")]
pub const MASK: u64 = 1 << 29 | 1 << 30 | 1 << 31 | 1 << 32;

/// How many there are.
pub const COUNT: usize = MASK.count_ones() as usize;

/// The address of the code, the pointer of the stack, and all that the unwinder wants.
#[cfg(target_arch = "x86_64")]
pub fn walked_from([bp, sp, ip]: [u64; COUNT]) -> (u64, u64, UnwindRegsNative) {
    (ip, sp, UnwindRegsNative::new(ip, sp, bp))
}

/// The address of the code, the pointer of the stack, and all that the unwinder wants.
#[cfg(target_arch = "aarch64")]
pub fn walked_from([fp, lr, sp, pc]: [u64; COUNT]) -> (u64, u64, UnwindRegsNative) {
    (pc, sp, UnwindRegsNative::new(lr, sp, fp))
}
