//! Reading one HTTP/1.1 answer, incrementally and without keeping its body.
//!
//! Pure: bytes in, progress out, so that every framing can be tested without a socket. We read answers ourselves,
//! instead of leaving it to a client library, because the driver must know things that libraries hide: whether any
//! byte of an answer had come when a connection broke, and an answer that comes before the request is sent whole.

use thiserror::Error;

const MAX_HEADERS: usize = 128;

/// What isn't HTTP/1.1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Malformed {
    #[error("malformed head of the answer: {0}")]
    Head(#[from] httparse::Error),
    #[error("malformed length of the answer")]
    Length,
    #[error("malformed chunk in the answer")]
    Chunk,
    #[error("the answer switches protocols")]
    Upgrade,
}

/// Reads `bytes` as an answer that comes in pieces of this length; its status if it came whole. It is what fuzzing calls.
#[doc(hidden)]
pub fn read_answer(bytes: &[u8], to_head: bool, piece: usize) -> Option<u16> {
    let mut answer = Answer::new(to_head);
    let (mut begun, mut end) = (0, 0);
    while end < bytes.len() && !answer.is_done() {
        end = bytes.len().min(end + piece.max(1));
        let used = answer.read(&bytes[begun..end]).ok()?;
        begun += used;
        assert!(begun <= end, "more was used than there is");
    }
    if answer.end() { answer.status() } else { None }
}

/// What comes next in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    /// This many bytes of the body.
    Length(u64),
    ChunkSize,
    /// This many bytes of the chunk with its line end.
    Chunk(u64),
    Trailers,
    /// Everything up to the end of the stream.
    UntilClose,
    Done,
}

/// An answer that is being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    state: State,
    /// Whether it answers HEAD and so has no body.
    bodiless: bool,
    status: Option<u16>,
    keep_alive: bool,
}

impl Answer {
    /// An answer of which nothing is read yet; `to_head` if it answers the method HEAD.
    pub(super) fn new(to_head: bool) -> Answer {
        Answer { state: State::Head, bodiless: to_head, status: None, keep_alive: false }
    }

    /// Its final status, once the head is read.
    pub(super) fn status(&self) -> Option<u16> {
        self.status
    }

    /// Whether it is read whole.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether another request may follow on the connection.
    pub(super) fn keeps_alive(&self) -> bool {
        self.keep_alive
    }

    /// Takes what `bytes` hold of the answer and returns how many bytes were used; the rest must be given again with
    /// what comes after it.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            let step = match self.state {
                State::Done => 0,
                State::UntilClose => rest.len(),
                State::Head => self.read_head(rest)?,
                State::Length(left) | State::Chunk(left) => self.skip(left, rest),
                State::ChunkSize => self.read_chunk_size(rest)?,
                State::Trailers => self.read_trailer(rest),
            };
            used += step;
            if step == 0 {
                return Ok(used);
            }
        }
    }

    /// Tells it that the stream has ended; true if the answer was whole.
    pub(super) fn end(&mut self) -> bool {
        if self.state == State::UntilClose {
            self.state = State::Done;
        }
        self.is_done()
    }

    fn read_head(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = head.parse(bytes)? else { return Ok(0) };
        let status = head.code.unwrap_or(0);
        match status {
            101 => return Err(Malformed::Upgrade),
            // An interim answer: the final one follows.
            100..=199 => return Ok(length),
            _ => {}
        }
        self.status = Some(status);
        self.keep_alive = head.version == Some(1);
        // The order of precedence is that of RFC 9112, section 6.3.
        let mut framing = State::UntilClose;
        for header in head.headers.iter() {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("transfer-encoding") {
                let chunked = last_token(header.value).eq_ignore_ascii_case(b"chunked");
                framing = if chunked { State::ChunkSize } else { State::UntilClose };
            } else if is("content-length") && framing != State::ChunkSize {
                framing = match parse_length(header.value).ok_or(Malformed::Length)? {
                    0 => State::Done,
                    length => State::Length(length),
                };
            } else if is("connection") {
                if header.value.eq_ignore_ascii_case(b"close") {
                    self.keep_alive = false;
                } else if header.value.eq_ignore_ascii_case(b"keep-alive") {
                    self.keep_alive = true;
                }
            }
        }
        self.state = if self.bodiless || status == 204 || status == 304 { State::Done } else { framing };
        self.keep_alive &= self.state != State::UntilClose;
        Ok(length)
    }

    fn skip(&mut self, left: u64, bytes: &[u8]) -> usize {
        let taken = left.min(bytes.len() as u64);
        self.state = match (self.state, left - taken) {
            (State::Length(_), 0) => State::Done,
            (State::Length(_), left) => State::Length(left),
            (_, 0) => State::ChunkSize,
            (_, left) => State::Chunk(left),
        };
        taken as usize
    }

    fn read_chunk_size(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        match httparse::parse_chunk_size(bytes).map_err(|_| Malformed::Chunk)? {
            httparse::Status::Partial => Ok(0),
            httparse::Status::Complete((length, 0)) => {
                self.state = State::Trailers;
                Ok(length)
            }
            httparse::Status::Complete((length, size)) => {
                self.state = State::Chunk(size.checked_add(2).ok_or(Malformed::Chunk)?);
                Ok(length)
            }
        }
    }

    /// Drops one line after the last chunk; the empty one ends the answer.
    fn read_trailer(&mut self, bytes: &[u8]) -> usize {
        match bytes.windows(2).position(|pair| pair == b"\r\n") {
            None => 0,
            Some(0) => {
                self.state = State::Done;
                2
            }
            Some(length) => length + 2,
        }
    }
}

fn last_token(value: &[u8]) -> &[u8] {
    value.rsplit(|&byte| byte == b',').next().unwrap_or_default().trim_ascii()
}

fn parse_length(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value.trim_ascii()).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads `bytes` in pieces of `piece` bytes and returns the answer and the bytes that were left over.
    fn read(bytes: &[u8], piece: usize, to_head: bool) -> Result<(Answer, Vec<u8>), Malformed> {
        let mut answer = Answer::new(to_head);
        let mut pending = Vec::new();
        for piece in bytes.chunks(piece) {
            pending.extend_from_slice(piece);
            let used = answer.read(&pending)?;
            pending.drain(..used);
        }
        Ok((answer, pending))
    }

    fn status_and_rest(text: &str) -> (Option<u16>, bool, bool, String) {
        let (answer, rest) = read(text.as_bytes(), usize::MAX, false).unwrap();
        for piece in 1..text.len().min(8) {
            let (other, _) = read(text.as_bytes(), piece, false).unwrap();
            assert_eq!(other, answer, "in pieces of {piece}");
        }
        (answer.status(), answer.is_done(), answer.keeps_alive(), String::from_utf8(rest).unwrap())
    }

    #[test]
    fn a_length_ends_the_body() {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP";
        assert_eq!(status_and_rest(text), (Some(200), true, true, "HTTP".into()));
        let empty = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nConnection: close\r\n\r\n";
        assert_eq!(status_and_rest(empty), (Some(404), true, false, String::new()));
    }

    #[test]
    fn the_last_chunk_and_its_trailers_end_the_body() {
        let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
            5\r\nhello\r\nb;x=y\r\n01234567890\r\n0\r\nTrailer: a\r\n\r\nrest";
        assert_eq!(status_and_rest(text), (Some(200), true, true, "rest".into()));
    }

    #[test]
    fn without_a_length_the_stream_ends_the_body() {
        let (mut answer, _) = read(b"HTTP/1.1 200 OK\r\n\r\nhello", 3, false).unwrap();
        assert!(!answer.is_done() && !answer.keeps_alive());
        assert!(answer.end());
        let (mut cut, _) = read(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", 3, false).unwrap();
        assert!(!cut.end());
    }

    #[test]
    fn interim_answers_are_passed_over() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(status_and_rest(text), (Some(413), true, true, String::new()));
    }

    #[test]
    fn answers_without_body_ignore_the_length() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        assert!(read(text, 9, true).unwrap().0.is_done());
        assert_eq!(status_and_rest("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n").0, Some(304));
        assert!(status_and_rest("HTTP/1.1 204 No Content\r\n\r\n").1);
    }

    #[test]
    fn the_old_protocol_closes_unless_it_says_otherwise() {
        assert!(!status_and_rest("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").2);
        assert!(status_and_rest("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n").2);
    }

    #[test]
    fn what_is_not_http_is_refused() {
        for text in [
            "garbage\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        ] {
            assert!(read(text.as_bytes(), usize::MAX, false).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), piece in 1usize..50) {
            let _ = read(&bytes, piece, false);
            let _ = read(&[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &bytes[..]].concat(), piece, false);
        }
    }
}
