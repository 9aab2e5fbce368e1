//! Which program a process runs: a PID that comes to run another is another worker.

use super::course::Course;
use super::sheet::hash;
use super::values::is_missing;
use std::collections::HashSet;

/// Changes of one process' command line from which on it is a title.
const OFTEN: usize = 3;

/// What a command line is known by: all of it, and the program alone; `None` if there is none.
pub(super) fn of(command: &[u8]) -> Option<[u64; 2]> {
    let first = command.split(|b| b.is_ascii_whitespace() || *b == b':').next().unwrap_or_default();
    let program = first.rsplit(|b| *b == b'/').next().unwrap_or_default();
    (!is_missing(command)).then(|| [hash(0, command), hash(0, program)])
}

/// Begins a life where a process becomes another program. A title that comes again was never another, nor was one that changes again and again:
/// servers write there what they do, and only the program counts.
pub(super) fn begin(course: &mut Course) {
    let commands: Vec<(usize, [u64; 2])> =
        course.raws.iter().enumerate().filter_map(|(place, raw)| Some((place, raw.command?))).collect();
    let changes = |part: usize| commands.windows(2).filter(move |pair| pair[0].1[part] != pair[1].1[part]);
    let mut seen: HashSet<u64> = commands.first().map(|first| first.1[0]).into_iter().collect();
    let again = changes(0).any(|pair| !seen.insert(pair[1].1[0]));
    let is_title = again || changes(0).count() >= OFTEN;
    let begins: Vec<usize> = changes(usize::from(is_title)).map(|pair| pair[1].0).collect();
    course.begins.extend(begins);
}
