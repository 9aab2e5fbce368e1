//! Parsers for `/proc/PID/stat` and `/proc/PID/status` that allocate nothing: they run for every worker at every tick.

/// What is used of `/proc/PID/stat`; times in clock ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcStat {
    /// State letter, such as `R`, `S` or `Z`.
    pub state: u8,
    /// Parent's PID.
    pub parent: u32,
    /// Page faults without disk access.
    pub minor_faults: u64,
    /// Page faults with disk access.
    pub major_faults: u64,
    /// Time in user mode.
    pub user: u64,
    /// Time in kernel mode.
    pub system: u64,
    /// How many threads it has.
    pub threads: u64,
    /// Start time since boot.
    pub start: u64,
    /// Where its stack began when it became the program that it is: another address after each `exec`. 0 where permission denies
    /// it.
    pub stack: u64,
    /// How it ended, as `wait` would tell it; 0 while it lives, and where permission denies it.
    pub wait_status: i32,
}

impl ProcStat {
    /// Whether it has ended, though nobody may have waited for it yet. One whose first thread alone has ended lives on.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') && self.threads <= 1
    }

    /// Whether its first thread has ended, by which the kernel tells of a process what it has, and others go on.
    pub fn goes_on_in_threads(&self) -> bool {
        self.state == b'Z' && !self.has_ended()
    }
}

/// The status of a process, whose directory in `/proc` this is, by a thread that goes on where the first has ended; `None` if there is none.
pub fn status_of_a_thread(directory: &str, pid: u32) -> Option<ProcStatus> {
    let first = pid.to_string();
    let threads = std::fs::read_dir(format!("{directory}/task")).ok()?.flatten();
    let others = threads.filter(|thread| thread.file_name().to_str() != Some(&first));
    let mut statuses =
        others.filter_map(|thread| Some(parse_status(&std::fs::read(thread.path().join("status")).ok()?)));
    statuses.find(|status| status.anon.is_some())
}

/// Reads the text of `/proc/PID/stat`; `None` if it isn't one.
///
/// The command name is in parentheses and may itself hold any byte, parentheses and newlines too, so fields are
/// counted from the last closing one.
pub fn parse_stat(text: &[u8]) -> Option<ProcStat> {
    let close = text.iter().rposition(|&b| b == b')')?;
    let mut fields = text.get(close + 1..)?.split(|b| b.is_ascii_whitespace()).filter(|f| !f.is_empty());
    let state = *fields.next()?.first()?;
    // The next field is the fourth of the file; `nth` counts from where the iterator stands.
    let parent = number(fields.next()?)?;
    let minor_faults = number(fields.nth(5)?)?;
    let major_faults = number(fields.nth(1)?)?;
    let user = number(fields.nth(1)?)?;
    let system = number(fields.next()?)?;
    let threads = number(fields.nth(4)?)?;
    let start = number(fields.nth(1)?)?;
    let stack = fields.nth(5).and_then(number).unwrap_or(0);
    // The 52nd field, which is the last of today's kernels.
    let wait_status = fields.nth(23).and_then(number).and_then(|status| i32::try_from(status).ok()).unwrap_or(0);
    let parent = u32::try_from(parent).ok()?;
    Some(ProcStat { state, parent, minor_faults, major_faults, user, system, threads, start, stack, wait_status })
}

/// The command name in the text of `/proc/PID/stat`; empty if it isn't one.
pub fn command_name(text: &[u8]) -> String {
    let open = text.iter().position(|&b| b == b'(');
    let close = text.iter().rposition(|&b| b == b')');
    match (open, close) {
        (Some(open), Some(close)) if open < close => String::from_utf8_lossy(&text[open + 1..close]).into_owned(),
        _ => String::new(),
    }
}

/// What is used of `/proc/PID/status`; memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProcStatus {
    /// `RssAnon`.
    pub anon: Option<u64>,
    /// `RssFile`.
    pub file: Option<u64>,
    /// `RssShmem`.
    pub shmem: Option<u64>,
    /// `VmSwap`.
    pub swap: Option<u64>,
    /// `HugetlbPages`; kernels without huge pages don't have it.
    pub huge: Option<u64>,
    /// `VmHWM`, the most that was resident since it became the program that it is.
    pub peak: Option<u64>,
    /// `Threads`.
    pub threads: Option<u64>,
}

impl ProcStatus {
    fn is_whole(&self) -> bool {
        [self.anon, self.file, self.shmem, self.swap, self.threads].iter().all(Option::is_some)
    }
}

/// Reads the text of `/proc/PID/status`; what isn't there is `None`. A kernel thread or a zombie has no memory lines.
pub fn parse_status(text: &[u8]) -> ProcStatus {
    let mut status = ProcStatus::default();
    for line in text.split(|&b| b == b'\n') {
        // Most lines are none of ours, and nearly half of the text comes after the last that is.
        if !matches!(line.first(), Some(b'H' | b'R' | b'T' | b'V')) {
            continue;
        }
        let Some(colon) = line.iter().position(|&b| b == b':') else { continue };
        let (key, value) = (&line[..colon], &line[colon + 1..]);
        let slot = match key {
            b"RssAnon" => &mut status.anon,
            b"RssFile" => &mut status.file,
            b"RssShmem" => &mut status.shmem,
            b"VmSwap" => &mut status.swap,
            b"VmHWM" => &mut status.peak,
            b"HugetlbPages" => &mut status.huge,
            b"Threads" => {
                status.threads = number(value.trim_ascii());
                if status.is_whole() {
                    break;
                }
                continue;
            }
            _ => continue,
        };
        *slot = kib(value);
    }
    status
}

/// The PID by which a process knows itself, in the text of its `/proc/PID/status`: that of the innermost PID namespace. `None`
/// before Linux 4.1, and if it isn't such a text.
pub fn own_pid(status: &[u8]) -> Option<u32> {
    number_of(line(status, b"NSpid")?.rsplit(u8::is_ascii_whitespace).find(|word| !word.is_empty())?)
}

/// The PID of the process that a thread belongs to, in the text of its `/proc/PID/status`; `None` if it isn't such a text.
pub fn process_of(status: &[u8]) -> Option<u32> {
    number_of(line(status, b"Tgid")?.trim_ascii())
}

/// The user in whose name a process acts, in the text of its `/proc/PID/status`; `None` if it isn't such a text.
pub fn owner(status: &[u8]) -> Option<u32> {
    number_of(line(status, b"Uid")?.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).nth(1)?)
}

fn line<'a>(status: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    status.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(key)?.strip_prefix(b":"))
}

fn number_of(text: &[u8]) -> Option<u32> {
    u32::try_from(number(text)?).ok()
}

/// A value like `   1234 kB`, in bytes.
fn kib(value: &[u8]) -> Option<u64> {
    number(value.trim_ascii().strip_suffix(b"kB")?.trim_ascii())?.checked_mul(1024)
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STAT: &[u8] = b"4242 (a) b (x)) S 17 4242 4242 0 -1 4194560 1500 0 3 0 210 35 0 0 20 0 1 0 987654 \
        1234944 300 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

    #[test]
    fn stat_is_read_past_a_hostile_command_name() {
        let stat = parse_stat(STAT).unwrap();
        let expected = ProcStat {
            state: b'S',
            parent: 17,
            minor_faults: 1500,
            major_faults: 3,
            user: 210,
            system: 35,
            threads: 1,
            start: 987_654,
            stack: 0,
            wait_status: 0,
        };
        assert_eq!(stat, expected);
        assert_eq!(command_name(STAT), "a) b (x)");
    }

    #[test]
    fn what_nobody_waited_for_says_how_it_ended() {
        let mut child = std::process::Command::new("sh").args(["-c", "kill -SEGV $$"]).spawn().unwrap();
        let path = format!("/proc/{}/stat", child.id());
        let stat = loop {
            let stat = parse_stat(&std::fs::read(&path).unwrap()).unwrap();
            if stat.has_ended() {
                break stat;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        };
        // With or without a core.
        assert_eq!(stat.wait_status & 0x7f, 11);
        child.wait().unwrap();
    }

    #[test]
    fn our_own_stat_agrees_with_procfs() {
        let ours = parse_stat(&std::fs::read("/proc/self/stat").unwrap()).unwrap();
        let theirs = procfs::process::Process::myself().unwrap().stat().unwrap();
        assert_eq!((ours.start, ours.stack), (theirs.starttime, theirs.startstack));
        assert_eq!(i64::from(ours.parent), i64::from(theirs.ppid));
    }

    #[test]
    fn status_gives_bytes_and_misses_what_is_not_there() {
        let text = b"Name:\tx\nRssAnon:\t    128 kB\nRssFile:\t 64 kB\nVmSwap:\t  0 kB\nThreads:\t7\n";
        let status = parse_status(text);
        assert_eq!(status.anon, Some(131_072));
        assert_eq!(status.swap, Some(0));
        assert_eq!(status.shmem, None);
        assert_eq!(status.threads, Some(7));
        assert_eq!(parse_status(b"RssAnon: -3 kB\nVmSwap: 99999999999999999999 kB\n"), ProcStatus::default());
    }

    #[test]
    fn a_process_knows_itself_by_its_innermost_pid() {
        let text = b"Name:\tx\nTgid:\t4711\nPid:\t4712\nNStgid:\t4711\t8\nNSpid:\t4712\t9\nNSpgid:\t1\t1\n";
        assert_eq!((own_pid(text), process_of(text)), (Some(9), Some(4711)));
        assert_eq!(
            (own_pid(b"NSpid:\t\n"), own_pid(b"NSpid:\t99999999999\n"), process_of(b"Pid: 7\n")),
            (None, None, None)
        );
        let ours = std::fs::read("/proc/self/status").unwrap();
        assert_eq!((own_pid(&ours), process_of(&ours)), (Some(std::process::id()), Some(std::process::id())));
        assert_eq!(owner(&ours), Some(rustix::process::geteuid().as_raw()));
        assert_eq!((owner(b"Uid:\t0\t33\t0\t0\n"), owner(b"Uid:\t0\n")), (Some(33), None));
    }

    #[test]
    fn a_stat_cut_short_anywhere_is_refused_or_read_but_never_panics() {
        for end in 0..STAT.len() {
            let _ = parse_stat(&STAT[..end]);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse_stat(&bytes);
            let _ = parse_status(&bytes);
            let _ = command_name(&bytes);
            let _ = (own_pid(&bytes), process_of(&bytes), owner(&bytes));
        }
    }
}
