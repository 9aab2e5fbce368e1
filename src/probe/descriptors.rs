//! What a worker's descriptors refer to.

use super::names::{DELETED, general};
use super::sockets::{TcpState, TcpTable, TcpTables};
use crate::model::{DescriptorKinds, HeldGroup, HeldKind};
use crate::thread;
use procfs::process::{FDTarget, Process};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

/// Above this many descriptors the kinds are not told apart: a link has to be read for each, about 1 µs.
const MOST: usize = 65_536;

/// Groups that are told, and how many descriptors one has at least.
const GROUPS: usize = 12;
const LEAST: u64 = 8;

/// A table of connections that took so long is used for this many times as long: on a busy host, that of another network
/// namespace has tens of thousands of lines.
const PAUSES: u32 = 200;

/// Sorts the open descriptors of `pid` by kind; `None` if they can't be listed, or are too many. `connections` serves
/// all processes that are looked at.
pub fn classify(pid: u32, connections: &mut Connections) -> Option<DescriptorKinds> {
    connections.spent = Default::default();
    let process = Process::new(i32::try_from(pid).ok()?).ok()?;
    if process.fd_count().ok()? > MOST {
        return None;
    }
    let mut kinds = DescriptorKinds { anonymous: Some(0), ..DescriptorKinds::default() };
    let (mut sockets, mut groups) = (Vec::new(), Groups::default());
    // A descriptor may be closed while we look at it: that one is passed over.
    for descriptor in process.fd().ok()?.flatten() {
        match descriptor.target {
            FDTarget::Socket(inode) => {
                kinds.sockets += 1;
                sockets.push(inode);
            }
            FDTarget::Pipe(_) => {
                kinds.pipes += 1;
                groups.add(HeldKind::Pipe, String::new(), false);
            }
            FDTarget::Path(path) => {
                let kind = kind_of_path(path.as_os_str());
                match kind {
                    HeldKind::Deleted => kinds.deleted += 1,
                    HeldKind::File => kinds.files += 1,
                    _ => kinds.other += 1,
                }
                let name = path.as_os_str().as_bytes();
                groups.add(kind, general(name.strip_suffix(DELETED).unwrap_or(name)), false);
            }
            FDTarget::AnonInode(name) => {
                kinds.anonymous = kinds.anonymous.map(|n| n + 1);
                groups.add(HeldKind::Anonymous, general(name.trim_matches(['[', ']']).as_bytes()), false);
            }
            _ => kinds.other += 1,
        }
    }
    let is_known = connections.describe(pid, &sockets, &mut kinds, &mut groups);
    kinds.held = is_known.then(|| groups.finish());
    Some(kinds)
}

/// Descriptors by kind and name: how many, and how many of them the other side has closed.
#[derive(Debug, Default)]
struct Groups(HashMap<(HeldKind, String), (u64, u64)>);

impl Groups {
    fn add(&mut self, kind: HeldKind, name: String, closed: bool) {
        let (count, close_wait) = self.0.entry((kind, name)).or_default();
        *count += 1;
        *close_wait += u64::from(closed);
    }

    /// The largest groups. Those with few are put together by what they share: peers by their port, files by their folder.
    fn finish(self) -> Vec<HeldGroup> {
        let mut groups: HashMap<(HeldKind, String), (u64, u64)> = HashMap::new();
        for ((kind, name), (count, closed)) in self.0 {
            let name = if count < LEAST { shared_name(kind, &name) } else { name };
            let group = groups.entry((kind, name)).or_default();
            *group = (group.0 + count, group.1 + closed);
        }
        let mut groups: Vec<HeldGroup> = groups
            .into_iter()
            .filter(|(_, (count, _))| *count >= LEAST)
            .map(|((kind, name), (count, close_wait))| HeldGroup { kind, name, count, close_wait })
            .collect();
        groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| (a.kind, &a.name).cmp(&(b.kind, &b.name))));
        groups.truncate(GROUPS);
        groups
    }
}

fn shared_name(kind: HeldKind, name: &str) -> String {
    let end = match kind {
        HeldKind::Outgoing => name.rfind(':').map(|at| &name[at..]),
        HeldKind::File | HeldKind::Deleted => name.rfind('/').map(|at| &name[..=at]),
        _ => None,
    };
    end.unwrap_or(name).to_owned()
}

/// The TCP connections of network namespaces that are open on our side.
#[derive(Debug, Default)]
pub struct Connections {
    tables: TcpTables,
    /// Namespaces whose table took long, and until when it isn't read again.
    rests: HashMap<OsString, Instant>,
    /// CPU time of our own thread, and of another, that reading tables took for the process that was looked at last.
    spent: (Duration, Duration),
}

impl Connections {
    /// Lets tables be read anew, each at most once in the round that begins.
    pub fn begin_round(&mut self) {
        self.tables = TcpTables::default();
        let now = Instant::now();
        self.rests.retain(|_, until| *until > now);
    }

    /// CPU time of our own thread, and of another, that reading tables took for the process that was looked at last: it is shared by
    /// all that are looked at.
    pub fn cost(&self) -> (Duration, Duration) {
        self.spent
    }

    fn table(&mut self, pid: u32) -> Option<&TcpTable> {
        let namespace = TcpTables::namespace(pid)?;
        if self.rests.contains_key(&namespace) && !self.tables.knows(&namespace) {
            return None;
        }
        if !self.tables.knows(&namespace) {
            let before = thread::cpu_time();
            let elsewhere = self.tables.read(pid, &namespace);
            self.spent = (thread::cpu_time().saturating_sub(before), elsewhere);
            self.rests.insert(namespace.clone(), Instant::now() + (self.spent.0 + elsewhere) * PAUSES);
        }
        self.tables.get(&namespace)
    }

    /// Enters the states of the connections among `sockets` of `pid` into `kinds`, and whom they are to into `groups`; whether that
    /// is known now.
    fn describe(&mut self, pid: u32, sockets: &[u64], kinds: &mut DescriptorKinds, groups: &mut Groups) -> bool {
        if sockets.is_empty() {
            (kinds.established, kinds.close_wait) = (Some(0), Some(0));
            return true;
        }
        let Some(table) = self.table(pid) else { return false };
        let (mut established, mut close_wait) = (0, 0);
        for inode in sockets {
            let Some(socket) = table.sockets.get(inode) else {
                groups.add(HeldKind::Socket, String::new(), false);
                continue;
            };
            let port = socket.local.port();
            let closed = socket.state == TcpState::CloseWait;
            match socket.state {
                TcpState::Listens => {
                    groups.add(HeldKind::Listening, String::new(), false);
                    continue;
                }
                TcpState::Established => established += 1,
                TcpState::CloseWait => close_wait += 1,
            }
            if table.listening.contains(&port) {
                groups.add(HeldKind::Accepted, port.to_string(), closed);
            } else {
                groups.add(HeldKind::Outgoing, socket.remote.to_string(), closed);
            }
        }
        (kinds.established, kinds.close_wait) = (Some(established), Some(close_wait));
        true
    }
}

fn kind_of_path(path: &OsStr) -> HeldKind {
    let bytes = path.as_bytes();
    if bytes.starts_with(b"/memfd:") || bytes.starts_with(b"/dev/") && !bytes.starts_with(b"/dev/shm/") {
        HeldKind::Other
    } else if bytes.ends_with(DELETED) {
        HeldKind::Deleted
    } else if bytes.starts_with(b"/") {
        HeldKind::File
    } else {
        HeldKind::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    /// What we hold now, and how much of it in this group.
    fn now() -> DescriptorKinds {
        classify(std::process::id(), &mut Connections::default()).unwrap()
    }

    fn group(kinds: &DescriptorKinds, kind: HeldKind, name: &str) -> Option<(u64, u64)> {
        let held = kinds.held.as_ref().unwrap();
        held.iter().find(|g| g.kind == kind && g.name == name).map(|g| (g.count, g.close_wait))
    }

    #[test]
    fn kinds_and_peers_are_told_apart() {
        let before = now();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let pairs: Vec<(TcpStream, TcpStream)> = (0..40)
            .map(|_| {
                let client = TcpStream::connect(address).unwrap();
                let (mut accepted, _) = listener.accept().unwrap();
                accepted.write_all(b"x").unwrap();
                (client, accepted)
            })
            .collect();
        let mut deleted = tempfile::tempfile().unwrap();
        deleted.write_all(b"x").unwrap();
        let after = now();
        // Other tests of this process open and close descriptors too, so only what is ours is certain.
        assert!(after.sockets >= 81, "{before:?} {after:?}");
        assert_eq!(group(&after, HeldKind::Outgoing, &address.to_string()), Some((40, 0)), "{after:?}");
        assert_eq!(group(&after, HeldKind::Accepted, &address.port().to_string()), Some((40, 0)), "{after:?}");
        assert!(after.deleted >= 1 && after.established.unwrap() >= 80 && after.anonymous.is_some());
        pairs.iter().for_each(|(client, _)| client.shutdown(std::net::Shutdown::Write).unwrap());
        let closed = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            let now = now();
            now.close_wait.unwrap_or(0) >= 40
                && group(&now, HeldKind::Accepted, &address.port().to_string()) == Some((40, 40))
        });
        assert!(closed, "the accepted side waits to be closed");
    }

    #[test]
    fn groups_of_few_are_put_together_by_what_they_share() {
        let mut groups = Groups::default();
        for at in 0..10 {
            groups.add(HeldKind::Outgoing, format!("10.0.0.{at}:443"), at == 0);
            groups.add(HeldKind::File, format!("/var/spool/{}", char::from(b'a' + at)), false);
            groups.add(HeldKind::Pipe, String::new(), false);
        }
        (0..7).for_each(|_| groups.add(HeldKind::Anonymous, "eventpoll".into(), false));
        let told: Vec<_> = groups.finish().into_iter().map(|g| (g.kind, g.name, g.count, g.close_wait)).collect();
        let expected = [
            (HeldKind::Outgoing, ":443".to_owned(), 10, 1),
            (HeldKind::File, "/var/spool/".to_owned(), 10, 0),
            (HeldKind::Pipe, String::new(), 10, 0),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_table_that_took_long_rests() {
        let _listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut connections = Connections::default();
        assert!(classify(std::process::id(), &mut connections).unwrap().held.is_some());
        assert!(connections.cost().0 > Duration::ZERO);
        let namespace = TcpTables::namespace(std::process::id()).unwrap();
        connections.rests.insert(namespace, Instant::now() + Duration::from_secs(600));
        connections.begin_round();
        let meanwhile = classify(std::process::id(), &mut connections).unwrap();
        assert!(meanwhile.sockets > 0 && (meanwhile.established, meanwhile.held) == (None, None));
        assert_eq!(connections.cost(), Default::default());
    }

    #[test]
    fn a_process_that_is_not_there_has_no_kinds() {
        assert_eq!(classify(u32::MAX, &mut Connections::default()), None);
    }
}
