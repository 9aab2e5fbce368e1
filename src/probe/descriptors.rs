//! What a worker's descriptors refer to.

use crate::model::DescriptorKinds;
use procfs::process::{FDTarget, Process};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Above this many descriptors the kinds are not told apart: a link has to be read for each.
const MOST: usize = 4096;

/// Peers that are named.
const PEERS: usize = 8;

/// Sorts the open descriptors of `pid` by kind; `None` if they can't be listed, or are too many.
pub fn classify(pid: u32) -> Option<DescriptorKinds> {
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
        kinds.peers = peers(&process, &sockets);
    }
    Some(kinds)
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

/// Remote addresses of the established TCP connections among `sockets`, most frequent first.
fn peers(process: &Process, sockets: &[u64]) -> Vec<(String, u64)> {
    let mut remote = HashMap::new();
    for entries in [process.tcp(), process.tcp6()].into_iter().flatten() {
        remote.extend(
            entries
                .into_iter()
                .filter(|e| e.state == procfs::net::TcpState::Established)
                .map(|e| (e.inode, e.remote_address)),
        );
    }
    let mut counts: HashMap<String, u64> = HashMap::new();
    for address in sockets.iter().filter_map(|inode| remote.get(inode)) {
        *counts.entry(address.to_string()).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts.truncate(PEERS);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn kinds_and_peers_are_told_apart() {
        let before = classify(std::process::id()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        accepted.write_all(b"x").unwrap();
        let mut deleted = tempfile::tempfile().unwrap();
        deleted.write_all(b"x").unwrap();
        let after = classify(std::process::id()).unwrap();
        // Other tests of this process open and close descriptors too, so only what is ours is certain.
        assert!(after.sockets >= 3, "{before:?} {after:?}");
        let address = listener.local_addr().unwrap().to_string();
        let own = client.local_addr().unwrap().to_string();
        assert!(after.peers.len() == PEERS || after.peers.iter().any(|(peer, _)| *peer == address || *peer == own));
        assert!(after.deleted >= 1);
    }

    #[test]
    fn a_process_that_is_not_there_has_no_kinds() {
        assert_eq!(classify(u32::MAX), None);
    }
}
