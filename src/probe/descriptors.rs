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
    let mut kinds = DescriptorKinds::default();
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
            _ => kinds.other += 1,
        }
    }
    if !sockets.is_empty() {
        kinds.peers = connections.peers(pid, &sockets);
    }
    Some(kinds)
}

/// The established TCP connections of network namespaces, read at most once in a round: on a busy host they are tens of
/// thousands of lines, most of them of connections that are over.
#[derive(Debug, Default)]
pub struct Connections {
    /// By the namespace's link, such as `net:[4026531840]`: remote addresses by the socket's inode.
    namespaces: HashMap<OsString, HashMap<u64, SocketAddr>>,
}

impl Connections {
    /// Remote addresses of the established connections among `sockets` of `pid`, most frequent first.
    fn peers(&mut self, pid: u32, sockets: &[u64]) -> Vec<(String, u64)> {
        let Ok(namespace) = std::fs::read_link(format!("/proc/{pid}/ns/net")) else { return Vec::new() };
        let remote = self.namespaces.entry(namespace.into_os_string()).or_insert_with(|| {
            let tables = ["tcp", "tcp6"].map(|name| std::fs::read(format!("/proc/{pid}/net/{name}")));
            tables.into_iter().flatten().flat_map(|text| parse_established(&text)).collect()
        });
        let mut counts: HashMap<SocketAddr, u64> = HashMap::new();
        for address in sockets.iter().filter_map(|inode| remote.get(inode)) {
            *counts.entry(*address).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().map(|(address, count)| (address.to_string(), count)).collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts.truncate(PEERS);
        counts
    }
}

/// Inode and remote address of each established connection in the text of `/proc/net/tcp` or `tcp6`.
fn parse_established(text: &[u8]) -> Vec<(u64, SocketAddr)> {
    const ESTABLISHED: &[u8] = b"01";
    let line = |line: &[u8]| {
        let mut fields = line.split(u8::is_ascii_whitespace).filter(|f| !f.is_empty());
        let remote = fields.nth(2)?;
        // Looked at before anything is parsed: nearly every line ends here.
        if fields.next()? != ESTABLISHED {
            return None;
        }
        let inode = std::str::from_utf8(fields.nth(5)?).ok()?.parse().ok()?;
        Some((inode, parse_address(std::str::from_utf8(remote).ok()?)?))
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
            for (index, part) in octets.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(8 * index)?);
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
        assert!(after.deleted >= 1);
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
        let ours: HashMap<u64, SocketAddr> =
            parse_established(&std::fs::read("/proc/self/net/tcp").unwrap()).into_iter().collect();
        let own = listener.local_addr().unwrap();
        let theirs = Process::myself().unwrap().tcp().unwrap();
        let mut compared = 0;
        for entry in theirs.iter().filter(|e| e.local_address == own || e.remote_address == own) {
            if entry.state == procfs::net::TcpState::Established {
                assert_eq!(ours.get(&entry.inode), Some(&entry.remote_address));
                compared += 1;
            }
        }
        assert_eq!(compared, 2);
    }

    #[test]
    fn addresses_of_both_families_are_read_and_nonsense_is_not() {
        assert_eq!(parse_address("0100007F:1F90"), Some("127.0.0.1:8080".parse().unwrap()));
        let six = parse_address("00000000000000000000000001000000:0050");
        assert_eq!(six, Some("[::1]:80".parse().unwrap()));
        for nonsense in ["", ":", "0100007F", "0100007F:12345", "\u{e9}\u{e9}\u{e9}\u{e9}:0050", "+100007F:0050:"] {
            let _ = parse_address(nonsense);
        }
        assert_eq!(parse_established(b"header\n 0: x y 01\n\xff\xfe\n"), Vec::new());
    }
}
