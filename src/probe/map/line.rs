//! A line of `smaps`: the header of a mapping, or one of its fields.

use super::Device;
use super::kind::Neighbour;

/// The first line of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its first address.
    pub start: u64,
    /// The address behind its last.
    pub end: u64,
    /// Whether what is written to it stays the process's own.
    pub private: bool,
    /// Whether it can't be used at all: reserved, or a guard.
    pub barred: bool,
    /// The device of its file.
    pub device: Device,
    /// The inode of its file; 0 without one.
    pub inode: u64,
    /// Its name as the kernel writes it; empty if it has none.
    pub name: Vec<u8>,
}

impl Header {
    /// `55d0c0-55d0c3 rw-p 00000000 fe:00 247749    /usr/bin/sed`; `None` if the line isn't one.
    pub fn parse(line: &[u8]) -> Option<Self> {
        // Most lines are fields, and begin with a capital.
        line.first().filter(|first| first.is_ascii_digit() || first.is_ascii_lowercase())?;
        let mut rest = line;
        let mut word = || {
            let end = rest.iter().position(|&b| b == b' ').unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            rest = after.strip_prefix(b" ").unwrap_or(after);
            std::str::from_utf8(word).ok()
        };
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        let (start, end) = word()?.split_once('-')?;
        let (start, end) = (hex(start)?, hex(end)?);
        let rights = word()?.as_bytes();
        hex(word()?)?;
        let (major, minor) = word()?.split_once(':')?;
        let device = (u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?);
        let inode = word()?.parse().ok()?;
        let is_sound = start < end && rights.len() == 4;
        let name = rest.trim_ascii_start().to_vec();
        let (private, barred) = (rights.get(3) == Some(&b'p'), rights.starts_with(b"---"));
        is_sound.then_some(Header { start, end, private, barred, device, inode, name })
    }

    /// Whether nothing but memory stands behind it, and nobody has named it.
    pub fn is_nameless(&self) -> bool {
        self.inode == 0 && self.name.is_empty()
    }

    /// What it is to the mappings next to it.
    pub fn neighbour(&self) -> Neighbour {
        Neighbour { start: self.start, end: self.end, barred: self.barred && self.private && self.is_nameless() }
    }
}

/// The name of a field and its value in bytes, of `Rss:   12 kB`; `None` for what has no such value.
pub fn field(line: &[u8]) -> Option<(&[u8], u64)> {
    let colon = line.iter().position(|&b| b == b':')?;
    let value = line[colon + 1..].trim_ascii().strip_suffix(b" kB")?;
    let kib: u64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    Some((&line[..colon], kib.saturating_mul(1024)))
}
