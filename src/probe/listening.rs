//! Which processes hold a socket that listens, of TCP or of the host itself (AF_UNIX).

use super::sockets::{TcpSocket, TcpState, TcpTables};
use procfs::process::{FDTarget, Process};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::net::SocketAddr;

/// Above this many descriptors a process is not looked through: a link has to be read for each.
const MOST: usize = 4096;

/// A flag of `/proc/net/unix`: the socket accepts connections.
const ACCEPTS: u32 = 0x1_0000;

/// Sockets of network namespaces by which requests come, each table read at most once.
#[derive(Debug, Default)]
pub struct Listening {
    tcp: TcpTables,
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
        let sockets = sockets(pid)?;
        if sockets.is_empty() {
            return Some(Serves::default());
        }
        let namespace = std::fs::read_link(format!("/proc/{pid}/ns/net")).ok()?;
        let open = self.namespaces.entry(namespace.into_os_string()).or_insert_with(|| {
            let local = std::fs::read(format!("/proc/{pid}/net/unix")).ok();
            let tcp = self.tcp.of(pid);
            let readable = local.is_some() || tcp.is_some();
            let local = parse_unix(&local.unwrap_or_default());
            readable.then(|| tcp.into_iter().flat_map(|tcp| serving(tcp.values())).chain(local).collect())
        });
        let open = open.as_ref()?;
        let holds = |what: Serving| sockets.iter().any(|inode| open.get(inode) == Some(&what));
        Some(Serves { listens: holds(Serving::Listens), accepted: holds(Serving::Accepted) })
    }
}

/// The addresses of TCP at which processes listen, as far as that can be read.
pub fn listening_addresses(pids: &[u32]) -> BTreeSet<SocketAddr> {
    let mut tables = TcpTables::default();
    let mut found = BTreeSet::new();
    for pid in pids {
        let Some((held, table)) = sockets(*pid).and_then(|held| Some((held, tables.of(*pid)?))) else { continue };
        let held = held.iter().filter_map(|inode| table.get(inode));
        found.extend(held.filter(|socket| socket.state == TcpState::Listens).map(|socket| socket.local));
    }
    found
}

/// Whether none of these processes holds a socket that listens, of TCP or of the host itself, and all that live could be read.
pub fn listen_nowhere(pids: &[u32]) -> bool {
    let mut tables = TcpTables::default();
    let mut none = |pid: u32| -> Option<bool> {
        let (held, table) = (sockets(pid)?, tables.of(pid)?);
        let local = parse_unix(&std::fs::read(format!("/proc/{pid}/net/unix")).ok()?);
        let listens = |inode: &u64| {
            table.get(inode).is_some_and(|socket| socket.state == TcpState::Listens)
                || local.get(inode) == Some(&Serving::Listens)
        };
        Some(!held.iter().any(listens))
    };
    // One that has ended since it was listed listens nowhere.
    pids.iter().all(|pid| none(*pid).unwrap_or_else(|| std::fs::metadata(format!("/proc/{pid}")).is_err()))
}

/// The inodes of the sockets that a process holds; `None` if they can't be read, or it holds too many files.
fn sockets(pid: u32) -> Option<Vec<u64>> {
    let process = Process::new(i32::try_from(pid).ok()?).ok()?;
    if process.fd_count().ok()? > MOST {
        return None;
    }
    let sockets = process.fd().ok()?.flatten().filter_map(|descriptor| match descriptor.target {
        FDTarget::Socket(inode) => Some(inode),
        _ => None,
    });
    Some(sockets.collect())
}

/// Which of these sockets listen, and which are connections that one of those has accepted: they are bound to its port.
fn serving<'a>(sockets: impl Iterator<Item = &'a TcpSocket> + Clone) -> HashMap<u64, Serving> {
    let listens = |socket: &&TcpSocket| socket.state == TcpState::Listens;
    let ports: HashSet<u16> = sockets.clone().filter(listens).map(|socket| socket.local.port()).collect();
    let what = |socket: &TcpSocket| match socket.state {
        TcpState::Listens => Some((socket.inode, Serving::Listens)),
        TcpState::Established if ports.contains(&socket.local.port()) => Some((socket.inode, Serving::Accepted)),
        _ => None,
    };
    sockets.filter_map(what).collect()
}

/// A named socket of the host itself, in `/proc/net/unix`.
struct UnixSocket {
    inode: u64,
    name: Vec<u8>,
    listens: bool,
}

fn unix_sockets(text: &[u8]) -> Vec<UnixSocket> {
    let line = |line: &'_ [u8]| -> Option<UnixSocket> {
        let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        let text = |field| std::str::from_utf8(field).ok();
        let flags = u32::from_str_radix(text(fields.nth(3)?)?, 16).ok()?;
        let inode = text(fields.nth(2)?)?.parse().ok()?;
        Some(UnixSocket { inode, name: fields.next()?.to_vec(), listens: flags & ACCEPTS != 0 })
    };
    text.split(|&b| b == b'\n').skip(1).filter_map(line).collect()
}

/// The sockets of servers by their inodes, in the text of `/proc/net/unix`: an accepted connection has the name of the socket that
/// accepted it.
pub fn parse_unix(text: &[u8]) -> HashMap<u64, Serving> {
    let sockets = unix_sockets(text);
    let names: HashSet<&[u8]> = sockets.iter().filter(|one| one.listens).map(|one| one.name.as_slice()).collect();
    let serves = sockets.iter().filter(|one| names.contains(one.name.as_slice()));
    serves.map(|one| (one.inode, if one.listens { Serving::Listens } else { Serving::Accepted })).collect()
}

/// The names of the sockets of the host itself at which processes listen, as far as that can be read; abstract ones begin with `@`.
pub fn listening_names(pids: &[u32]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for pid in pids {
        let Some((held, text)) = sockets(*pid).zip(std::fs::read(format!("/proc/{pid}/net/unix")).ok()) else {
            continue;
        };
        let held = unix_sockets(&text).into_iter().filter(|one| one.listens && held.contains(&one.inode));
        found.extend(held.map(|one| String::from_utf8_lossy(&one.name).into_owned()));
    }
    found
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
        let mut all = serving(TcpTables::default().of(std::process::id()).unwrap().values());
        all.extend(parse_unix(&std::fs::read("/proc/self/net/unix").unwrap()));
        let is = |socket: &dyn AsRawFd| all.get(&inode(socket)).copied();
        assert_eq!((is(&four), is(&local)), (Some(Serving::Listens), Some(Serving::Listens)));
        assert_eq!((is(&accepted), is(&far)), (Some(Serving::Accepted), Some(Serving::Accepted)));
        assert_eq!((is(&client), is(&near)), (None, None));
        assert!(six.map_or(true, |six| is(&six) == Some(Serving::Listens)));
        let named = directory.path().join("socket").to_str().unwrap().to_owned();
        assert!(listening_names(&[std::process::id()]).contains(&named));
        let ours = Listening::default().of(std::process::id());
        assert_eq!(ours, Some(Serves { listens: true, accepted: true }));
        assert!(!listen_nowhere(&[std::process::id()]));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert_eq!(Listening::default().of(child.id()), Some(Serves::default()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(Listening::default().of(child.id()), None);
    }

    #[test]
    fn lines_of_the_kernel_are_read() {
        let unix = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 777 /run/x.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 778 /run/x.sock\n";
        assert_eq!(parse_unix(unix), HashMap::from([(777, Serving::Listens), (778, Serving::Accepted)]));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_unix(&bytes);
        }
    }
}
