//! TCP sockets of a network namespace that listen, or are connections not over on our side.
//!
//! The kernel is asked for them by SOCK_DIAG where it can be: `/proc/net/tcp` has a line for each connection that is over, too, tens
//! of thousands on a busy host. Of a namespace other than ours a thread that enters it asks, or, where that isn't allowed, that table is
//! read.

use crate::thread;
use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{
    AF_INET, AF_INET6, IPPROTO_TCP, TCP_CLOSE_WAIT, TCP_ESTABLISHED, TCP_LISTEN,
};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

/// What is received at once: the kernel sends no more than this in one go.
const MOST_AT_ONCE: usize = 64 * 1024;

/// A socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpSocket {
    /// Its inode, as links to descriptors name it.
    pub inode: u64,
    /// What it does.
    pub state: TcpState,
    /// Where it is bound.
    pub local: SocketAddr,
    /// The other side's address.
    pub remote: SocketAddr,
}

/// What a socket does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpState {
    /// It accepts connections.
    Listens,
    /// It is connected.
    Established,
    /// The other side has closed it, ours hasn't.
    CloseWait,
}

impl TcpState {
    fn of(number: u8) -> Option<Self> {
        match number {
            TCP_LISTEN => Some(TcpState::Listens),
            TCP_ESTABLISHED => Some(TcpState::Established),
            TCP_CLOSE_WAIT => Some(TcpState::CloseWait),
            _ => None,
        }
    }
}

/// The sockets of a network namespace.
#[derive(Debug, Default)]
pub struct TcpTable {
    /// By their inodes.
    pub sockets: HashMap<u64, TcpSocket>,
    /// Ports at which one of them listens.
    pub listening: HashSet<u16>,
}

/// The sockets of network namespaces, each read at most once.
#[derive(Debug, Default)]
pub struct TcpTables {
    /// By the namespace's link, such as `net:[4026531840]`; `None` if unreadable.
    namespaces: HashMap<OsString, Option<TcpTable>>,
}

impl TcpTables {
    /// The sockets of the namespace that `pid` is in, by their inodes; `None` if they can't be read.
    pub fn of(&mut self, pid: u32) -> Option<&HashMap<u64, TcpSocket>> {
        let namespace = Self::namespace(pid)?;
        if !self.knows(&namespace) {
            self.read(pid, &namespace);
        }
        self.get(&namespace).map(|table| &table.sockets)
    }

    /// The link of the namespace that `pid` is in; `None` if it can't be read.
    pub fn namespace(pid: u32) -> Option<OsString> {
        Some(fs::read_link(format!("/proc/{pid}/ns/net")).ok()?.into_os_string())
    }

    /// Whether a namespace has been read, or turned out to be unreadable.
    pub fn knows(&self, namespace: &OsString) -> bool {
        self.namespaces.contains_key(namespace)
    }

    /// The sockets of a namespace that was read.
    pub fn get(&self, namespace: &OsString) -> Option<&TcpTable> {
        self.namespaces.get(namespace)?.as_ref()
    }

    /// Reads the sockets of `namespace`, which `pid` is in; returns the CPU time that another thread took for it.
    pub fn read(&mut self, pid: u32, namespace: &OsString) -> Duration {
        let ours = fs::read_link("/proc/self/ns/net").is_ok_and(|ours| ours.as_os_str() == namespace);
        let (asked, elsewhere) = if ours { (asked(), Duration::ZERO) } else { asked_within(pid) };
        let sockets = asked.or_else(|| listed(pid)).map(|sockets| {
            let listens = |socket: &&TcpSocket| socket.state == TcpState::Listens;
            TcpTable {
                listening: sockets.iter().filter(listens).map(|socket| socket.local.port()).collect(),
                sockets: sockets.into_iter().map(|socket| (socket.inode, socket)).collect(),
            }
        });
        self.namespaces.insert(namespace.clone(), sockets);
        elsewhere
    }
}

/// What the kernel says of the namespace that `pid` is in, asked by a thread of ours that enters it, which root may; `None` if it can't
/// be asked. The CPU time that took, too.
fn asked_within(pid: u32) -> (Option<Vec<TcpSocket>>, Duration) {
    let Ok(namespace) = fs::File::open(format!("/proc/{pid}/ns/net")) else { return (None, Duration::ZERO) };
    let ask = move || {
        let kind = Some(LinkNameSpaceType::Network);
        let entered = move_into_link_name_space(namespace.as_fd(), kind).is_ok();
        (if entered { asked() } else { None }, thread::cpu_time())
    };
    thread::start("connections", ask).ok().and_then(|asking| asking.join().ok()).unwrap_or_default()
}

/// What the kernel says of our namespace; `None` if it can't be asked.
fn asked() -> Option<Vec<TcpSocket>> {
    let mut sockets = ask(AF_INET, SocketId::new_v4())?;
    // A host without IPv6 has none of these.
    sockets.extend(ask(AF_INET6, SocketId::new_v6()).unwrap_or_default());
    Some(sockets)
}

fn ask(family: u8, any: SocketId) -> Option<Vec<TcpSocket>> {
    let states = StateFlags::LISTEN | StateFlags::ESTABLISHED | StateFlags::CLOSE_WAIT;
    let request =
        InetRequest { family, protocol: IPPROTO_TCP, extensions: ExtensionFlags::empty(), states, socket_id: any };
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    let mut kernel = netlink_sys::Socket::new(NETLINK_SOCK_DIAG).ok()?;
    kernel.bind_auto().ok()?;
    kernel.connect(&netlink_sys::SocketAddr::new(0, 0)).ok()?;
    kernel.send(&bytes, 0).ok()?;
    let mut sockets = Vec::new();
    let mut received = Vec::with_capacity(MOST_AT_ONCE);
    loop {
        received.clear();
        kernel.recv(&mut received, 0).ok()?;
        let mut rest = received.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest).ok()?;
            match message.payload {
                NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(found)) => sockets.extend(socket(&found)),
                NetlinkPayload::Done(_) => return Some(sockets),
                NetlinkPayload::Noop => {}
                _ => return None,
            }
            rest = rest.get((message.header.length as usize).next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

fn socket(found: &InetResponse) -> Option<TcpSocket> {
    let (header, id) = (&found.header, &found.header.socket_id);
    Some(TcpSocket {
        inode: u64::from(header.inode),
        state: TcpState::of(header.state)?,
        local: SocketAddr::new(id.source_address, id.source_port),
        remote: SocketAddr::new(id.destination_address, id.destination_port),
    })
}

/// What `/proc` lists for the namespace of `pid`; `None` if that may not be read.
fn listed(pid: u32) -> Option<Vec<TcpSocket>> {
    let tables = ["tcp", "tcp6"].map(|name| fs::read(format!("/proc/{pid}/net/{name}")));
    let readable = tables.iter().any(Result::is_ok);
    readable.then(|| tables.into_iter().flatten().flat_map(|text| parse_tcp(&text)).collect())
}

/// The sockets in the text of `/proc/net/tcp` or `tcp6`.
pub fn parse_tcp(text: &[u8]) -> Vec<TcpSocket> {
    let line = |line: &[u8]| {
        let mut fields = line.split(u8::is_ascii_whitespace).filter(|f| !f.is_empty());
        let (local, remote) = (fields.nth(1)?, fields.next()?);
        let text = |field| std::str::from_utf8(field).ok();
        // Looked at before anything is parsed: nearly every line ends here.
        let state = TcpState::of(u8::from_str_radix(text(fields.next()?)?, 16).ok()?)?;
        let (local, remote) = (parse_address(text(local)?)?, parse_address(text(remote)?)?);
        Some(TcpSocket { inode: text(fields.nth(5)?)?.parse().ok()?, state, local, remote })
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

#[cfg(test)]
mod tests {
    use super::*;
    use procfs::process::Process;
    use proptest::prelude::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn the_kernel_the_table_and_procfs_say_the_same() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _accepted = listener.accept().unwrap();
        let six = TcpListener::bind("[::1]:0").ok();
        let own = listener.local_addr().unwrap();
        let is_ours = |local, remote| local == own || remote == own;
        let ours = |sockets: Vec<TcpSocket>| {
            // The kernel lists a connection twice if others come while it is read.
            let ours = sockets.into_iter().filter(|socket| is_ours(socket.local, socket.remote));
            ours.map(|socket| (socket.inode, socket)).collect::<HashMap<_, _>>()
        };
        let listed = ours(listed(std::process::id()).unwrap());
        assert_eq!(listed.len(), 3);
        assert_eq!(ours(asked().unwrap()), listed);
        for theirs in Process::myself().unwrap().tcp().unwrap() {
            if is_ours(theirs.local_address, theirs.remote_address) && theirs.inode > 0 {
                let socket = listed[&theirs.inode];
                assert_eq!((socket.local, socket.remote), (theirs.local_address, theirs.remote_address));
            }
        }
        let bound = six.as_ref().map(|six| six.local_addr().unwrap());
        assert!(bound.is_none_or(|bound| asked().unwrap().iter().any(|socket| socket.local == bound)));
    }

    #[test]
    fn connections_that_are_over_are_left_out() {
        let text = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0 100 0 0 10 0\n   \
            1: 0100007F:1F90 0100007F:9999 06 00000000:00000000 03:00000FFF 00000000     0        0 0 3 0\n   \
            2: 0100007F:1F90 0100007F:9998 08 00000000:00000000 00:00000000 00000000     0        0 12347 1 0 100 0 0 10 0\n";
        let found: Vec<(u64, TcpState)> = parse_tcp(text).into_iter().map(|s| (s.inode, s.state)).collect();
        assert_eq!(found, [(12345, TcpState::Listens), (12347, TcpState::CloseWait)]);
    }

    #[test]
    fn addresses_of_both_families_are_read_and_nonsense_is_not() {
        assert_eq!(parse_address("0100007F:1F90"), Some("127.0.0.1:8080".parse().unwrap()));
        let six = parse_address("00000000000000000000000001000000:0050");
        assert_eq!(six, Some("[::1]:80".parse().unwrap()));
        for nonsense in ["", ":", "0100007F", "0100007F:12345", "\u{e9}\u{e9}\u{e9}\u{e9}:0050", "+100007F:0050:"] {
            let _ = parse_address(nonsense);
        }
        assert_eq!(parse_tcp(b"header\n 0: x y 01\n\xff\xfe\n"), Vec::new());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_tcp(&bytes);
        }
    }
}
