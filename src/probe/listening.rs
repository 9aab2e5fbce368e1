//! Which processes hold a socket that listens, of TCP or of the host itself (AF_UNIX).

use procfs::process::{FDTarget, Process};
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;

/// Above this many descriptors a process is not looked through: a link has to be read for each.
const MOST: usize = 4096;

/// A flag of `/proc/net/unix`: the socket accepts connections.
const ACCEPTS: u32 = 0x1_0000;

/// The listening sockets of network namespaces, each read at most once.
#[derive(Debug, Default)]
pub struct Listening {
    /// By the namespace's link, such as `net:[4026531840]`: inodes of sockets that listen; `None` if unreadable.
    namespaces: HashMap<OsString, Option<HashSet<u64>>>,
}

impl Listening {
    /// Whether `pid` holds a socket that listens; `None` if that can't be read.
    pub fn is_held_by(&mut self, pid: u32) -> Option<bool> {
        let process = Process::new(i32::try_from(pid).ok()?).ok()?;
        if process.fd_count().ok()? > MOST {
            return None;
        }
        let sockets = process.fd().ok()?.flatten().filter_map(|descriptor| match descriptor.target {
            FDTarget::Socket(inode) => Some(inode),
            _ => None,
        });
        let sockets: Vec<u64> = sockets.collect();
        if sockets.is_empty() {
            return Some(false);
        }
        let namespace = std::fs::read_link(format!("/proc/{pid}/ns/net")).ok()?;
        let open = self.namespaces.entry(namespace.into_os_string()).or_insert_with(|| {
            let tables = ["tcp", "tcp6", "unix"].map(|name| std::fs::read(format!("/proc/{pid}/net/{name}")));
            let readable = tables.iter().any(Result::is_ok);
            readable.then(|| tables.into_iter().flatten().flat_map(|text| parse_listening(&text)).collect())
        });
        let open = open.as_ref()?;
        Some(sockets.iter().any(|inode| open.contains(inode)))
    }
}

/// Inodes of the sockets that listen, in the text of `/proc/net/tcp`, `tcp6` or `unix`.
pub fn parse_listening(text: &[u8]) -> Vec<u64> {
    let line = |line: &[u8]| {
        let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        let text = |field: &'_ [u8]| std::str::from_utf8(field).ok().map(str::to_owned);
        let first = fields.next()?;
        // A line of TCP begins with its number, one of AF_UNIX with an address; both end in a colon. That of AF_UNIX has its
        // flags in the fourth field, that of TCP the state.
        let fourth = text(fields.nth(2)?)?;
        let listens = match fourth.len() {
            2 => fourth == "0A",
            _ => u32::from_str_radix(&fourth, 16).ok()? & ACCEPTS != 0,
        };
        if !listens || !first.ends_with(b":") {
            return None;
        }
        let inode = if fourth.len() == 2 { fields.nth(5)? } else { fields.nth(2)? };
        text(inode)?.parse().ok()
    };
    text.split(|&b| b == b'\n').skip(1).filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixListener;

    fn inode(socket: &impl AsRawFd) -> u64 {
        let link = std::fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
        link.to_str().unwrap().trim_start_matches("socket:[").trim_end_matches(']').parse().unwrap()
    }

    #[test]
    fn sockets_that_listen_are_told_from_others() {
        let directory = tempfile::tempdir().unwrap();
        let (four, six) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("[::1]:0"));
        let local = UnixListener::bind(directory.path().join("socket")).unwrap();
        let client = TcpStream::connect(four.local_addr().unwrap()).unwrap();
        let all: HashSet<u64> = ["tcp", "tcp6", "unix"]
            .iter()
            .flat_map(|name| parse_listening(&std::fs::read(format!("/proc/self/net/{name}")).unwrap_or_default()))
            .collect();
        assert!(all.contains(&inode(&four)) && all.contains(&inode(&local)));
        assert!(six.is_ok_and(|six| all.contains(&inode(&six))) || !std::path::Path::new("/proc/net/tcp6").exists());
        assert!(!all.contains(&inode(&client)));
        assert_eq!(Listening::default().is_held_by(std::process::id()), Some(true));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert_eq!(Listening::default().is_held_by(child.id()), Some(false));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(Listening::default().is_held_by(child.id()), None);
    }

    #[test]
    fn lines_of_the_kernel_are_read() {
        let tcp = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0 100 0 0 10 0\n   \
            1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 12346 1 0 100 0 0 10 0\n";
        assert_eq!(parse_listening(tcp), [12345]);
        let unix = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 777 /run/x.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 778 /run/x.sock\n";
        assert_eq!(parse_listening(unix), [777]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_listening(&bytes);
        }
    }
}
