//! Readers of others' that may panic on what a target's files hold: such a panic is an answer, and is told nowhere else.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread is expected.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// What `read` answers; `None` if it panics, of which nothing is printed.
pub fn caught<T>(read: impl FnOnce() -> T) -> Option<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let tell = take_hook();
        set_hook(Box::new(move |panic| {
            if !EXPECTED.get() {
                tell(panic);
            }
        }));
    });
    let outer = EXPECTED.replace(true);
    let answer = catch_unwind(AssertUnwindSafe(read));
    EXPECTED.set(outer);
    answer.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const ALONE: &str = "SEEPAGE_TEST_CAUGHT";

    /// What is printed only a process of its own shows.
    #[test]
    fn of_a_panic_that_is_expected_nothing_is_printed() {
        if std::env::var_os(ALONE).is_some() {
            assert_eq!(caught(|| caught(|| panic!("foreseen within")).is_none()), Some(true));
            assert_eq!(caught::<()>(|| panic!("foreseen")), None);
            assert!(catch_unwind(|| panic!("one of our own")).is_err());
            assert_eq!(caught(|| 7), Some(7));
            return;
        }
        let name = std::thread::current().name().unwrap().to_owned();
        let mut alone = Command::new(std::env::current_exe().unwrap());
        let output =
            alone.args(["--exact", &name, "--nocapture", "--test-threads=2"]).env(ALONE, "1").output().unwrap();
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{printed}");
        assert!(printed.contains("one of our own"), "{printed}");
        assert!(!printed.contains("foreseen"), "{printed}");
    }
}
