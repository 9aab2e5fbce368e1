//! What a worker's descriptors refer to.

use super::sockets::{TcpState, TcpTables};
use crate::model::DescriptorKinds;
use procfs::process::{FDTarget, Process};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::net::SocketAddr;
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

/// The TCP connections of network namespaces that are open on our side, read at most once in a round.
#[derive(Debug, Default)]
pub struct Connections(TcpTables);

impl Connections {
    /// Enters the states of the connections among `sockets` of `pid` into `kinds`, and the remote addresses of the
    /// established ones, most frequent first.
    fn describe(&mut self, pid: u32, sockets: &[u64], kinds: &mut DescriptorKinds) {
        if sockets.is_empty() {
            (kinds.established, kinds.close_wait) = (Some(0), Some(0));
            return;
        }
        let Some(open) = self.0.of(pid) else { return };
        let mut peers: HashMap<SocketAddr, u64> = HashMap::new();
        let (mut established, mut close_wait) = (0, 0);
        for socket in sockets.iter().filter_map(|inode| open.get(inode)) {
            match socket.state {
                TcpState::Established => {
                    established += 1;
                    *peers.entry(socket.remote).or_default() += 1;
                }
                TcpState::CloseWait => close_wait += 1,
                TcpState::Listens => {}
            }
        }
        (kinds.established, kinds.close_wait) = (Some(established), Some(close_wait));
        let mut peers: Vec<_> = peers.into_iter().map(|(address, count)| (address.to_string(), count)).collect();
        peers.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        peers.truncate(PEERS);
        kinds.peers = peers;
    }
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
}
