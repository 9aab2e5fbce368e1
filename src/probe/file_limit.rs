//! How many files may be open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises our soft limit of open files to the hard one, as far as may be; returns how many there may be then. The guard, and so the
/// target, has the limit that it would have without us.
pub fn raise_file_limit() -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 0 };
    // What still can't be opened is told when it is met.
    let allowed = if setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft };
    usize::try_from(allowed).unwrap_or(usize::MAX)
}
