//! Reading one HTTP/1.1 answer, incrementally; its body is handed on as it comes, and kept by nobody here.
//!
//! Pure: bytes in, progress out, so that every framing can be tested without a socket. We read answers ourselves,
//! instead of leaving it to a client library, because the driver must know things that libraries hide: whether any
//! byte of an answer had come when a connection broke, and an answer that comes before the request is sent whole.

use thiserror::Error;

/// Most fields of a head.
const MAX_HEADERS: usize = 128;

/// Bytes of the longest head that whoever reads an answer needs to have room for.
pub const LONGEST_HEAD: usize = 32 << 10;

/// What isn't HTTP/1.1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The status line or a field of the head.
    #[error("malformed head of the answer: {0}")]
    Head(#[from] httparse::Error),
    /// The length of the body.
    #[error("malformed length of the answer")]
    Length,
    /// The size or the end of a chunk.
    #[error("malformed chunk in the answer")]
    Chunk,
    /// Another protocol follows, which nobody asked for.
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
        let used = answer.read(&bytes[begun..end], |_| {}).ok()?;
        begun += used;
        assert!(begun <= end, "more was used than there is");
    }
    answer.end();
    answer.whole()
}

/// What comes next in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    /// This many bytes of the body.
    Length(u64),
    ChunkSize,
    /// This many bytes of the chunk.
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    Trailers,
    /// Everything up to the end of the stream.
    UntilClose,
    Done,
}

/// An answer that is being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    state: State,
    /// Whether it answers HEAD and so has no body.
    bodiless: bool,
    status: Option<u16>,
    keep_alive: bool,
}

impl Answer {
    /// An answer of which nothing is read yet; `to_head` if it answers the method HEAD.
    pub fn new(to_head: bool) -> Answer {
        Answer { state: State::Head, bodiless: to_head, status: None, keep_alive: false }
    }

    /// Its final status, once the head is read.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// Whether it is read whole.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Its final status, once it is read whole.
    pub fn whole(&self) -> Option<u16> {
        self.status.filter(|_| self.is_done())
    }

    /// Whether another request may follow on the connection.
    pub fn keeps_alive(&self) -> bool {
        self.keep_alive
    }

    /// Takes what `bytes` hold of the answer and returns how many bytes were used; the rest must be given again with
    /// what comes after it. What is of the body goes to `body`, piece by piece.
    ///
    /// # Errors
    /// If it isn't HTTP/1.1; nothing more can be read then.
    pub fn read(&mut self, bytes: &[u8], mut body: impl FnMut(&[u8])) -> Result<usize, Malformed> {
        let mut used = 0;
        loop {
            let (rest, framing) = (&bytes[used..], self.state);
            let step = match framing {
                State::Done => 0,
                State::Head => self.read_head(rest)?,
                State::Length(left) | State::Chunk(left) => self.read_body(left, rest),
                State::UntilClose => rest.len(),
                State::ChunkSize => self.read_chunk_size(rest)?,
                State::ChunkEnd => self.read_chunk_end(rest)?,
                State::Trailers => self.read_trailer(rest),
            };
            if matches!(framing, State::Length(_) | State::Chunk(_) | State::UntilClose) {
                body(&rest[..step]);
            }
            used += step;
            if step == 0 {
                return Ok(used);
            }
        }
    }

    /// Tells it that the stream has ended; true if the answer was whole.
    pub fn end(&mut self) -> bool {
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
        let fields = |name| head.headers.iter().filter(move |f| f.name.eq_ignore_ascii_case(name)).map(|f| f.value);
        // The order of precedence is that of RFC 9112, section 6.3, whatever the order of the fields.
        let coded = fields("transfer-encoding").next_back().map(|value| has_last(value, b"chunked"));
        let framing = match coded {
            Some(true) => State::ChunkSize,
            Some(false) => State::UntilClose,
            None => match agreed_length(fields("content-length"))? {
                None => State::UntilClose,
                Some(0) => State::Done,
                Some(length) => State::Length(length),
            },
        };
        self.state = if self.bodiless || status == 204 || status == 304 { State::Done } else { framing };
        let asks = |option: &[u8]| fields("connection").flat_map(tokens).any(|t| t.eq_ignore_ascii_case(option));
        let persistent = head.version == Some(1) || asks(b"keep-alive");
        self.keep_alive = persistent && !asks(b"close") && self.state != State::UntilClose;
        Ok(length)
    }

    fn read_body(&mut self, left: u64, bytes: &[u8]) -> usize {
        let taken = left.min(bytes.len() as u64);
        self.state = match (self.state, left - taken) {
            (State::Length(_), 0) => State::Done,
            (State::Length(_), left) => State::Length(left),
            (_, 0) => State::ChunkEnd,
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
                self.state = State::Chunk(size);
                Ok(length)
            }
        }
    }

    fn read_chunk_end(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        match bytes {
            [b'\r', b'\n', ..] => {
                self.state = State::ChunkSize;
                Ok(2)
            }
            [] | [b'\r'] => Ok(0),
            _ => Err(Malformed::Chunk),
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

/// What a field lists.
fn tokens(value: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

fn has_last(value: &[u8], token: &[u8]) -> bool {
    tokens(value).next_back().is_some_and(|last| last.eq_ignore_ascii_case(token))
}

/// The length that all fields agree on, if there are any.
fn agreed_length<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Result<Option<u64>, Malformed> {
    let mut agreed = None;
    for field in fields {
        let length = parse_length(field).ok_or(Malformed::Length)?;
        if agreed.replace(length).is_some_and(|before| before != length) {
            return Err(Malformed::Length);
        }
    }
    Ok(agreed)
}

fn parse_length(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value.trim_ascii()).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An answer that was read as far as it came: it, its body, and the bytes that were left over.
    type Read = (Answer, Vec<u8>, Vec<u8>);

    /// Reads `bytes` in pieces of `piece` bytes.
    fn read(bytes: &[u8], piece: usize, to_head: bool) -> Result<Read, Malformed> {
        let mut answer = Answer::new(to_head);
        let (mut body, mut pending) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            pending.extend_from_slice(piece);
            let used = answer.read(&pending, |part| body.extend_from_slice(part))?;
            pending.drain(..used);
        }
        Ok((answer, body, pending))
    }

    fn status_and_rest(text: &str) -> (Option<u16>, bool, bool, String) {
        let (answer, body, rest) = read(text.as_bytes(), usize::MAX, false).unwrap();
        for piece in 1..text.len().min(8) {
            let (other, same, _) = read(text.as_bytes(), piece, false).unwrap();
            assert_eq!((other, &same), (answer.clone(), &body), "in pieces of {piece}");
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
    fn the_body_is_handed_on_without_its_framing() {
        let body = |text: &str| String::from_utf8(read(text.as_bytes(), 3, false).unwrap().1).unwrap();
        assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP"), "hello");
        assert_eq!(body("HTTP/1.1 200 OK\r\n\r\nhello\r\n"), "hello\r\n");
        let chunks = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
            5\r\nhello\r\n3;x=y\r\n\r\n!\r\n0\r\nTrailer: a\r\n\r\nrest";
        assert_eq!(body(chunks), "hello\r\n!");
    }

    #[test]
    fn the_order_of_the_fields_changes_nothing() {
        let read_both = |first: &str, second: &str| {
            let head = |a, b| format!("HTTP/1.1 200 OK\r\n{a}\r\n{b}\r\n\r\n0\r\n\r\n");
            let read = |text: String| read(text.as_bytes(), usize::MAX, false);
            let (one, other) = (read(head(first, second)), read(head(second, first)));
            assert_eq!(one, other, "{first} and {second}");
            one.map(|(answer, body, _)| (answer.is_done(), answer.keeps_alive(), body))
        };
        let chunked = "Transfer-Encoding: gzip, Chunked";
        for length in ["Content-Length: 2", "Content-Length: -1"] {
            assert_eq!(read_both(chunked, length), Ok((true, true, vec![])));
            assert_eq!(read_both("Transfer-Encoding: gzip", length), Ok((false, false, b"0\r\n\r\n".to_vec())));
        }
        assert_eq!(read_both("Content-Length: 2", "Content-Length: 3"), Err(Malformed::Length));
        assert_eq!(read_both("Content-Length: 2", "Content-Length: 2"), Ok((true, true, b"0\r".to_vec())));
        assert_eq!(
            read_both("Connection: TE, Close", "Connection: keep-alive"),
            Ok((false, false, b"0\r\n\r\n".to_vec()))
        );
        assert_eq!(read_both("Connection: TE, close", "Content-Length: 0"), Ok((true, false, vec![])));
    }

    #[test]
    fn the_last_chunk_and_its_trailers_end_the_body() {
        let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
            5\r\nhello\r\nb;x=y\r\n01234567890\r\n0\r\nTrailer: a\r\n\r\nrest";
        assert_eq!(status_and_rest(text), (Some(200), true, true, "rest".into()));
    }

    #[test]
    fn without_a_length_the_stream_ends_the_body() {
        let (mut answer, ..) = read(b"HTTP/1.1 200 OK\r\n\r\nhello", 3, false).unwrap();
        assert!(!answer.is_done() && !answer.keeps_alive());
        assert!(answer.end());
        let (mut cut, ..) = read(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", 3, false).unwrap();
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
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n",
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
