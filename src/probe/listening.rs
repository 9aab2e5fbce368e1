//! Which processes hold a socket that listens, of TCP or of the host itself (AF_UNIX).

use procfs::net::TcpState;
use procfs::process::{FDTarget, Process};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Above this many descriptors a process is not looked through: a link has to be read for each.
const MOST: usize = 4096;

/// A flag of `/proc/net/unix`: the socket accepts connections.
const ACCEPTS: u32 = 0x1_0000;

/// Sockets of network namespaces by which requests come, each table read at most once.
#[derive(Debug, Default)]
pub struct Listening {
    /// By the namespace's link, such as `net:[4026531840]`: what a socket is, by its inode; `None` if unreadable.
    namespaces: HashMap<OsString, Option<HashMap<u64, Serving>>>,
}

/// What of serving a process does, by the sockets that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Serves {
    /// It holds a socket that listens.
    pub listens: bool,
    /// It holds a connection that such a socket has accepted.
    pub accepted: bool,
}

/// A socket of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serving {
    /// It listens.
    Listens,
    /// It is a connection that one which listens has accepted.
    Accepted,
}

impl Listening {
    /// What sockets of servers `pid` holds; `None` if that can't be read.
    pub fn of(&mut self, pid: u32) -> Option<Serves> {
        let (_, sockets) = sockets(pid)?;
        if sockets.is_empty() {
            return Some(Serves::default());
        }
        let namespace = std::fs::read_link(format!("/proc/{pid}/ns/net")).ok()?;
        let open = self.namespaces.entry(namespace.into_os_string()).or_insert_with(|| {
            let tables = ["tcp", "tcp6", "unix"].map(|name| std::fs::read(format!("/proc/{pid}/net/{name}")).ok());
            let readable: Vec<u8> = tables.into_iter().flatten().flatten().collect();
            (!readable.is_empty()).then(|| parse_serving(&readable))
        });
        let open = open.as_ref()?;
        let holds = |what: Serving| sockets.iter().any(|inode| open.get(inode) == Some(&what));
        Some(Serves { listens: holds(Serving::Listens), accepted: holds(Serving::Accepted) })
    }
}

/// The addresses of TCP at which processes listen, as far as that can be read.
pub fn listening_addresses(pids: &[u32]) -> BTreeSet<SocketAddr> {
    let mut tables: HashMap<PathBuf, HashMap<u64, SocketAddr>> = HashMap::new();
    let mut found = BTreeSet::new();
    for pid in pids {
        let Some((process, sockets)) = sockets(*pid).filter(|(_, sockets)| !sockets.is_empty()) else { continue };
        let Ok(namespace) = std::fs::read_link(format!("/proc/{pid}/ns/net")) else { continue };
        let table = tables.entry(namespace).or_insert_with(|| {
            let lines = [process.tcp(), process.tcp6()].into_iter().flatten().flatten();
            lines.filter(|line| line.state == TcpState::Listen).map(|line| (line.inode, line.local_address)).collect()
        });
        found.extend(sockets.iter().filter_map(|inode| table.get(inode)));
    }
    found
}

/// A process, and the inodes of the sockets that it holds; `None` if they can't be read, or it holds too many files.
fn sockets(pid: u32) -> Option<(Process, Vec<u64>)> {
    let process = Process::new(i32::try_from(pid).ok()?).ok()?;
    if process.fd_count().ok()? > MOST {
        return None;
    }
    let sockets = process.fd().ok()?.flatten().filter_map(|descriptor| match descriptor.target {
        FDTarget::Socket(inode) => Some(inode),
        _ => None,
    });
    let sockets = sockets.collect();
    Some((process, sockets))
}

/// A line of a table: where the socket is bound, its inode, and whether it listens (else it is connected).
struct Line<'a> {
    bound: &'a [u8],
    inode: u64,
    listens: bool,
}

/// The sockets of servers by their inodes, in the texts of `/proc/net/tcp`, `tcp6` and `unix`, one after another.
pub fn parse_serving(text: &[u8]) -> HashMap<u64, Serving> {
    let lines: Vec<Line> = text.split(|&b| b == b'\n').filter_map(parse_line).collect();
    let listening: HashSet<&[u8]> = lines.iter().filter(|line| line.listens).map(|line| line.bound).collect();
    let served = lines.iter().filter(|line| line.listens || listening.contains(line.bound));
    served.map(|line| (line.inode, if line.listens { Serving::Listens } else { Serving::Accepted })).collect()
}

/// A line of TCP has the state in its fourth field, one of AF_UNIX the flags.
fn parse_line(line: &[u8]) -> Option<Line<'_>> {
    let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    let text = |field| std::str::from_utf8(field).ok();
    if !fields.next()?.ends_with(b":") {
        return None;
    }
    let second = fields.next()?;
    let fourth = text(fields.nth(1)?)?;
    if fourth.len() == 2 {
        // Connections have the address at which they came, and the listening socket perhaps any.
        let port = second.rsplit(|&b| b == b':').next()?;
        let listens = match fourth {
            "0A" => true,
            "01" => false,
            _ => return None,
        };
        return Some(Line { bound: port, inode: text(fields.nth(5)?)?.parse().ok()?, listens });
    }
    let listens = u32::from_str_radix(fourth, 16).ok()? & ACCEPTS != 0;
    let inode = text(fields.nth(2)?)?.parse().ok()?;
    // An accepted connection has the name of the socket that accepted it.
    Some(Line { bound: fields.next()?, inode, listens })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::{UnixListener, UnixStream};

    fn inode(socket: &dyn AsRawFd) -> u64 {
        let link = std::fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
        link.to_str().unwrap().trim_start_matches("socket:[").trim_end_matches(']').parse().unwrap()
    }

    #[test]
    fn sockets_that_listen_are_told_from_others() {
        let directory = tempfile::tempdir().unwrap();
        let (four, six) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("[::1]:0"));
        let local = UnixListener::bind(directory.path().join("socket")).unwrap();
        let client = TcpStream::connect(four.local_addr().unwrap()).unwrap();
        let accepted = four.accept().unwrap().0;
        let (near, far) = (UnixStream::connect(directory.path().join("socket")).unwrap(), local.accept().unwrap().0);
        let read = |name| std::fs::read(format!("/proc/self/net/{name}")).unwrap_or_default();
        let all = parse_serving(&["tcp", "tcp6", "unix"].map(read).concat());
        let is = |socket: &dyn AsRawFd| all.get(&inode(socket)).copied();
        assert_eq!((is(&four), is(&local)), (Some(Serving::Listens), Some(Serving::Listens)));
        assert_eq!((is(&accepted), is(&far)), (Some(Serving::Accepted), Some(Serving::Accepted)));
        assert_eq!((is(&client), is(&near)), (None, None));
        assert!(six.is_ok_and(|six| is(&six) == Some(Serving::Listens)) || read("tcp6").is_empty());
        let ours = Listening::default().of(std::process::id());
        assert_eq!(ours, Some(Serves { listens: true, accepted: true }));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert_eq!(Listening::default().of(child.id()), Some(Serves::default()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(Listening::default().of(child.id()), None);
    }

    #[test]
    fn lines_of_the_kernel_are_read() {
        let tcp = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0 100 0 0 10 0\n   \
            1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 12346 1 0 100 0 0 10 0\n";
        assert_eq!(parse_serving(tcp), HashMap::from([(12345, Serving::Listens), (12346, Serving::Accepted)]));
        let unix = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 777 /run/x.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 778 /run/x.sock\n";
        assert_eq!(parse_serving(unix), HashMap::from([(777, Serving::Listens), (778, Serving::Accepted)]));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_serving(&bytes);
        }
    }
}
