//! How a process ended that isn't our child, from its pidfd.

use crate::model::ExitCause;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `struct pidfd_info` of Linux 6.13, the first that was published.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    ids: [u32; 8],
    exit_code: i32,
}

/// Asks for, and says that there is, an exit code (Linux 6.15).
const EXIT: u64 = 1 << 3;

nix::ioctl_readwrite!(pidfd_get_info, 0xFF, 11, PidfdInfo);

/// How the process behind `pidfd` ended; `None` while it lives or isn't reaped, and on kernels before 6.15.
pub fn exit_cause(pidfd: BorrowedFd<'_>) -> Option<ExitCause> {
    let mut info = PidfdInfo { mask: EXIT, ..PidfdInfo::default() };
    // SAFETY: the structure is as long as its size in the request's number says, and lives through the call.
    unsafe { pidfd_get_info(pidfd.as_raw_fd(), &raw mut info) }.ok()?;
    (info.mask & EXIT != 0).then(|| ExitCause::from_wait_status(info.exit_code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    use std::os::fd::AsFd;
    use std::process::Command;

    #[test]
    fn the_cause_of_an_end_is_known_after_it_where_the_kernel_tells() {
        let mut child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
        child.wait().unwrap();
        if let Some(cause) = exit_cause(pidfd.as_fd()) {
            assert_eq!(cause, ExitCause::Code(7));
        }
    }

    #[test]
    fn the_living_have_no_cause() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
        assert_eq!(exit_cause(pidfd.as_fd()), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
