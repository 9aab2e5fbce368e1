//! Events of the kernel: faults of pages in one thread on one processor, and what holds a ring open.

use super::registers::MASK;
use perf_event_open_sys::bindings::{self, perf_event_attr};
use perf_event_open_sys::{ioctls, perf_event_open};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Bytes of the stack that are copied: what is above tells no more than who called the caller.
const STACK: u32 = 8 << 10;

/// `CLOCK_MONOTONIC`, by which all of a run is told.
const MONOTONIC: i32 = 1;

/// An event of the calling thread that never comes: its ring is everybody's on that processor.
///
/// # Errors
/// If this user may have none.
pub fn silent(cpu: i32) -> io::Result<OwnedFd> {
    let mut attr = software(bindings::PERF_COUNT_SW_DUMMY.into());
    attr.set_exclude_kernel(1);
    attr.set_use_clockid(1);
    attr.clockid = MONOTONIC;
    // SAFETY: the attributes are whole, and live through the call.
    open(&mut attr, 0, cpu)
}

/// The faults of this thread, and of threads that it starts, on that processor, told in the ring of `silent`, for as long as they are
/// [told](tell), which they are from now on or not. Who waits for the ring is woken by each of them, or when half of the ring is full.
/// Those that the kernel does for it, as in `read`, are among them where this user may see these.
///
/// # Errors
/// If this user may not watch it, or it has ended.
pub fn faults(thread: i32, cpu: i32, told: bool, wakes: bool, silent: &OwnedFd) -> io::Result<OwnedFd> {
    // The minor ones come after the page is there; the event of all of them comes before, and without a stack where that grows.
    let mut attr = software(bindings::PERF_COUNT_SW_PAGE_FAULTS_MIN.into());
    attr.__bindgen_anon_1.sample_period = 1;
    if wakes {
        attr.__bindgen_anon_2.wakeup_events = 1;
    } else {
        attr.set_watermark(1);
    }
    attr.set_disabled(u64::from(!told));
    attr.sample_type = u64::from(
        bindings::PERF_SAMPLE_TID
            | bindings::PERF_SAMPLE_TIME
            | bindings::PERF_SAMPLE_ADDR
            | bindings::PERF_SAMPLE_REGS_USER
            | bindings::PERF_SAMPLE_STACK_USER,
    );
    attr.sample_regs_user = MASK;
    attr.sample_stack_user = STACK;
    attr.set_inherit(1);
    attr.set_inherit_thread(1);
    attr.set_use_clockid(1);
    attr.clockid = MONOTONIC;
    attr.set_exclude_hv(1);
    let opened = open(&mut attr, thread, cpu).or_else(|error| {
        if !matches!(error.kind(), io::ErrorKind::PermissionDenied) {
            return Err(error);
        }
        attr.set_exclude_kernel(1);
        open(&mut attr, thread, cpu)
    })?;
    // SAFETY: both descriptors are events that are open.
    let shared = unsafe { ioctls::SET_OUTPUT(opened.as_raw_fd(), silent.as_raw_fd()) };
    if shared < 0 { Err(io::Error::last_os_error()) } else { Ok(opened) }
}

/// Has faults told from now on, or not told any more.
pub fn tell(event: &OwnedFd, told: bool) {
    let which = if told { ioctls::ENABLE } else { ioctls::DISABLE };
    // SAFETY: the descriptor is an event that is open. Of a thread that has ended there is nothing to tell.
    let _ = unsafe { which(event.as_raw_fd(), 0) };
}

fn software(config: u64) -> perf_event_attr {
    let mut attr = perf_event_attr { type_: bindings::PERF_TYPE_SOFTWARE, config, ..Default::default() };
    attr.size = size_of::<perf_event_attr>() as u32;
    attr
}

/// Opens an event that ends with us, whatever ends us.
fn open(attr: &mut perf_event_attr, thread: i32, cpu: i32) -> io::Result<OwnedFd> {
    // SAFETY: the attributes are whole, and live through the call.
    let fd = unsafe { perf_event_open(attr, thread, cpu, -1, bindings::PERF_FLAG_FD_CLOEXEC.into()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just opened, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
