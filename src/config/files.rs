//! Opening files that the user named. A FIFO without a writer blocks whoever opens it, a terminal or a device never ends,
//! and to open some devices does something: so only plain files are opened, and none of them makes us wait.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Places of pipes that were handed to us, such as `/dev/stdin` or what `<(command)` becomes: to read them is what the
/// user wants.
const HANDED: [&str; 3] = ["/dev/stdin", "/dev/fd/", "/proc/self/fd/"];

/// Opens a plain file for reading.
///
/// # Errors
/// If it can't be opened, or is something else; the text says what.
pub fn open_plain(path: &Path) -> io::Result<File> {
    // Looked at before: to open a FIFO wakes its writer, to open a device may do anything.
    plain(&std::fs::metadata(path)?)?;
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    plain(&file.metadata()?)?;
    Ok(file)
}

/// Opens a plain file, or a pipe that was handed to us, for reading.
///
/// # Errors
/// If it can't be opened, or is something else; the text says what.
pub fn open_input(path: &Path) -> io::Result<File> {
    let handed = HANDED.iter().any(|place| path.to_string_lossy().starts_with(place));
    if handed && std::fs::metadata(path)?.file_type().is_fifo() { File::open(path) } else { open_plain(path) }
}

/// Reads an input of at most so many bytes whole.
///
/// # Errors
/// If it can't be opened or read, or is longer.
pub fn read_input(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_input(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let what = format!("it has more than {most} bytes, which is the most that is read");
        return Err(io::Error::new(ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

fn plain(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    let name = match kind {
        _ if kind.is_file() => return Ok(()),
        _ if kind.is_dir() => "a directory",
        _ if kind.is_fifo() => "a FIFO",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(io::Error::new(ErrorKind::InvalidInput, format!("it is {name}, where a plain file is expected")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_never_end_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for (path, what) in
            [(fifo.as_path(), "a FIFO"), (Path::new("/dev/zero"), "a device"), (directory.path(), "a directory")]
        {
            let error = open_plain(path).unwrap_err().to_string();
            assert_eq!(error, format!("it is {what}, where a plain file is expected"));
            assert_eq!(open_input(path).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn a_link_to_a_plain_file_is_one_and_its_length_is_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        std::fs::write(&file, "12345").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(read_input(&link, 5).unwrap(), b"12345");
        assert!(read_input(&link, 4).unwrap_err().to_string().contains("more than 4 bytes"));
    }
}
