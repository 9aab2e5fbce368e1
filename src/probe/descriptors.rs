//! What a worker's descriptors refer to.

use crate::model::DescriptorKinds;
use procfs::process::{FDTarget, Process};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt;

/// Above this many descriptors the kinds are not told apart: a link has to be read for each.
const MOST: usize = 4096;

/// Peers that are named.
const PEERS: usize = 8;

/// Sorts the open descriptors of `pid` by kind; `None` if they can't be listed, or are too many. `connections` serves
/// all processes that are looked at in one round.
pub fn classify(pid: u32, connections: &mut Connections) -> Option<DescriptorKinds> {
    let process = Process::new(i32::try_from(pid).ok()?).ok()?;
    if process.fd_count().ok()? > MOST {
        return None;
    }
    let mut kinds = DescriptorKinds { anonymous: Some(0), ..DescriptorKinds::default() };
    let mut sockets = Vec::new();
    // A descriptor may be closed while we look at it: that one is passed over.
    for descriptor in process.fd().ok()?.flatten() {
        match descriptor.target {
            FDTarget::Socket(inode) => {
                kinds.sockets += 1;
                sockets.push(inode);
            }
            FDTarget::Pipe(_) => kinds.pipes += 1,
            FDTarget::Path(path) => match kind_of_path(path.as_os_str()) {
                PathKind::Deleted => kinds.deleted += 1,
                PathKind::File => kinds.files += 1,
                PathKind::Other => kinds.other += 1,
            },
            FDTarget::AnonInode(_) => kinds.anonymous = kinds.anonymous.map(|n| n + 1),
            _ => kinds.other += 1,
        }
    }
    connections.describe(pid, &sockets, &mut kinds);
    Some(kinds)
}

/// The TCP connections of network namespaces that are open on our side, read at most once in a round: on a busy host the
/// tables are tens of thousands of lines, most of them of connections that are over.
#[derive(Debug, Default)]
pub struct Connections {
    /// By the namespace's link, such as `net:[4026531840]`: connections by the socket's inode; `None` if unreadable.
    namespaces: HashMap<OsString, Option<HashMap<u64, Connection>>>,
}

/// One connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    /// To this remote address.
    Established(SocketAddr),
    /// The other side has closed it, ours hasn't.
    CloseWait,
}

impl Connections {
    /// Enters the states of the connections among `sockets` of `pid` into `kinds`, and the remote addresses of the
    /// established ones, most frequent first.
    fn describe(&mut self, pid: u32, sockets: &[u64], kinds: &mut DescriptorKinds) {
        if sockets.is_empty() {
            (kinds.established, kinds.close_wait) = (Some(0), Some(0));
            return;
        }
        let Ok(namespace) = std::fs::read_link(format!("/proc/{pid}/ns/net")) else { return };
        let open = self.namespaces.entry(namespace.into_os_string()).or_insert_with(|| {
            let tables = ["tcp", "tcp6"].map(|name| std::fs::read(format!("/proc/{pid}/net/{name}")));
            let readable = tables.iter().any(Result::is_ok);
            readable.then(|| tables.into_iter().flatten().flat_map(|text| parse_connections(&text)).collect())
        });
        let Some(open) = open else { return };
        let mut peers: HashMap<SocketAddr, u64> = HashMap::new();
        let (mut established, mut close_wait) = (0, 0);
        for connection in sockets.iter().filter_map(|inode| open.get(inode)) {
            match connection {
                Connection::Established(address) => {
                    established += 1;
                    *peers.entry(*address).or_default() += 1;
                }
                Connection::CloseWait => close_wait += 1,
            }
        }
        (kinds.established, kinds.close_wait) = (Some(established), Some(close_wait));
        let mut peers: Vec<_> = peers.into_iter().map(|(address, count)| (address.to_string(), count)).collect();
        peers.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        peers.truncate(PEERS);
        kinds.peers = peers;
    }
}

/// Inode and state of each connection that is open on our side, in the text of `/proc/net/tcp` or `tcp6`.
fn parse_connections(text: &[u8]) -> Vec<(u64, Connection)> {
    let line = |line: &[u8]| {
        let mut fields = line.split(u8::is_ascii_whitespace).filter(|f| !f.is_empty());
        let remote = fields.nth(2)?;
        // Looked at before anything is parsed: nearly every line ends here.
        let connection = match fields.next()? {
            b"01" => Connection::Established(parse_address(std::str::from_utf8(remote).ok()?)?),
            b"08" => Connection::CloseWait,
            _ => return None,
        };
        let inode = std::str::from_utf8(fields.nth(5)?).ok()?.parse().ok()?;
        Some((inode, connection))
    };
    text.split(|&b| b == b'\n').skip(1).filter_map(line).collect()
}

/// An address as the kernel writes it: 32-bit words in the host's byte order, a colon, the port, all in hexadecimal.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(address.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match address.len() {
        8 => IpAddr::from(word(0)?),
        32 => {
            let mut octets = [0; 16];
            for (index, part) in octets.as_chunks_mut().0.iter_mut().enumerate() {
                *part = word(8 * index)?;
            }
            IpAddr::from(octets)
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

enum PathKind {
    File,
    Deleted,
    Other,
}

fn kind_of_path(path: &OsStr) -> PathKind {
    let bytes = path.as_bytes();
    if bytes.starts_with(b"/memfd:") || bytes.starts_with(b"/dev/") && !bytes.starts_with(b"/dev/shm/") {
        PathKind::Other
    } else if bytes.ends_with(b" (deleted)") {
        PathKind::Deleted
    } else if bytes.starts_with(b"/") {
        PathKind::File
    } else {
        PathKind::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn kinds_and_peers_are_told_apart() {
        let before = classify(std::process::id(), &mut Connections::default()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        accepted.write_all(b"x").unwrap();
        let mut deleted = tempfile::tempfile().unwrap();
        deleted.write_all(b"x").unwrap();
        let after = classify(std::process::id(), &mut Connections::default()).unwrap();
        // Other tests of this process open and close descriptors too, so only what is ours is certain.
        assert!(after.sockets >= 3, "{before:?} {after:?}");
        let address = listener.local_addr().unwrap().to_string();
        let own = client.local_addr().unwrap().to_string();
        assert!(after.peers.len() == PEERS || after.peers.iter().any(|(peer, _)| *peer == address || *peer == own));
        assert!(after.deleted >= 1 && after.established.unwrap() >= 2 && after.anonymous.is_some());
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let waiting = |kinds: Option<DescriptorKinds>| kinds.and_then(|k| k.close_wait).unwrap_or(0);
        let closed = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            waiting(classify(std::process::id(), &mut Connections::default())) >= 1
        });
        assert!(closed, "the accepted side waits to be closed");
    }

    #[test]
    fn a_process_that_is_not_there_has_no_kinds() {
        assert_eq!(classify(u32::MAX, &mut Connections::default()), None);
    }

    #[test]
    fn established_connections_are_read_as_procfs_reads_them() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _accepted = listener.accept().unwrap();
        let ours: HashMap<u64, Connection> =
            parse_connections(&std::fs::read("/proc/self/net/tcp").unwrap()).into_iter().collect();
        let own = listener.local_addr().unwrap();
        let theirs = Process::myself().unwrap().tcp().unwrap();
        // The kernel lists a connection twice if others come while it is read.
        let mut compared = std::collections::HashSet::new();
        for entry in theirs.iter().filter(|e| e.local_address == own || e.remote_address == own) {
            if entry.state == procfs::net::TcpState::Established {
                assert_eq!(ours.get(&entry.inode), Some(&Connection::Established(entry.remote_address)));
                compared.insert(entry.inode);
            }
        }
        assert_eq!(compared.len(), 2);
    }

    #[test]
    fn addresses_of_both_families_are_read_and_nonsense_is_not() {
        assert_eq!(parse_address("0100007F:1F90"), Some("127.0.0.1:8080".parse().unwrap()));
        let six = parse_address("00000000000000000000000001000000:0050");
        assert_eq!(six, Some("[::1]:80".parse().unwrap()));
        for nonsense in ["", ":", "0100007F", "0100007F:12345", "\u{e9}\u{e9}\u{e9}\u{e9}:0050", "+100007F:0050:"] {
            let _ = parse_address(nonsense);
        }
        assert_eq!(parse_connections(b"header\n 0: x y 01\n\xff\xfe\n"), Vec::new());
    }
}
