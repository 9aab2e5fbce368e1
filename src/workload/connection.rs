//! One connection to the server: a request goes out while the answer comes in.
//!
//! Reading while writing is what makes an early answer visible: a server that refuses an upload answers and closes
//! before the body is sent, and whoever only looks after writing sees nothing but a reset.

use super::body::{MAX_SLICES, Message};
use crate::http::{Answer, LONGEST_HEAD, Malformed};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Why a request got no answer.
#[derive(Debug, Error)]
pub(super) enum Broken {
    #[error("can't connect: {0}")]
    Connect(io::Error),
    #[error("connection broke: {0}")]
    Reset(io::Error),
    #[error("the server closed the connection before its answer was whole")]
    Closed,
    #[error("{0}")]
    Protocol(#[from] Malformed),
    #[error("the head of the answer is longer than {LONGEST_HEAD} bytes")]
    Oversized,
}

/// A connection that is kept for several requests.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Box<[u8]>,
    /// Bytes in the buffer that aren't part of an answer that was read.
    pending: usize,
    /// Requests that were begun on it.
    pub(super) requests: u32,
}

/// One request and its answer under way.
pub(super) struct Exchange<'a> {
    message: Message<'a>,
    length: u64,
    /// Bytes sent so far.
    pub(super) sent: u64,
    /// The answer as far as it came.
    pub(super) answer: Answer,
    /// Whether any byte of the answer came.
    pub(super) heard: bool,
    /// Why no more can be sent.
    unsendable: Option<io::Error>,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(message: Message<'a>, is_head: bool) -> Exchange<'a> {
        let length = message.len();
        Exchange { message, length, sent: 0, answer: Answer::new(is_head), heard: false, unsendable: None }
    }

    /// Bytes of the body sent so far.
    pub(super) fn body_sent(&self) -> u64 {
        self.sent.saturating_sub(self.message.head.len() as u64)
    }

    /// Whether another request may follow on the connection.
    pub(super) fn leaves_reusable(&self) -> bool {
        self.answer.is_done() && self.answer.keeps_alive() && self.sent == self.length
    }

    /// Whether there is no more to do: the answer is whole, and so is the request, or it isn't wanted any more. After
    /// an error the client stops sending (RFC 9112, section 9.5).
    fn is_over(&self) -> bool {
        let unwanted = !self.answer.keeps_alive() || self.answer.status().is_some_and(|status| status >= 400);
        self.answer.is_done() && (self.sent == self.length || self.unsendable.is_some() || unwanted)
    }
}

impl Connection {
    /// Connects to the first of the addresses that accepts.
    pub(super) async fn open(addresses: &[SocketAddr]) -> Result<Connection, Broken> {
        let stream = TcpStream::connect(addresses).await.map_err(Broken::Connect)?;
        stream.set_nodelay(true).map_err(Broken::Connect)?;
        Ok(Connection { stream, buffer: vec![0; LONGEST_HEAD].into_boxed_slice(), pending: 0, requests: 0 })
    }

    /// Sends the whole request and reads the whole answer.
    pub(super) async fn complete(&mut self, exchange: &mut Exchange<'_>) -> Result<(), Broken> {
        poll_fn(|cx| {
            loop {
                let read = self.poll_answer(cx, exchange)?;
                if exchange.is_over() {
                    return Poll::Ready(Ok(()));
                }
                let length = exchange.length;
                let wrote = self.poll_send(cx, exchange, length);
                if read.is_pending() && wrote.is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// Sends the request up to byte `limit`, or as far as the server takes it, without waiting for the answer.
    pub(super) async fn send_part(&mut self, exchange: &mut Exchange<'_>, limit: u64) -> Result<(), Broken> {
        poll_fn(|cx| {
            loop {
                if exchange.sent >= limit {
                    return Poll::Ready(Ok(()));
                }
                if let Some(error) = exchange.unsendable.take() {
                    return Poll::Ready(Err(Broken::Reset(error)));
                }
                ready!(self.poll_send(cx, exchange, limit));
            }
        })
        .await
    }

    /// Sends once, up to byte `limit`; pending too when there is nothing to send. An error is kept for later, because
    /// an answer may still wait to be read.
    fn poll_send(&mut self, cx: &mut Context<'_>, exchange: &mut Exchange<'_>, limit: u64) -> Poll<()> {
        if exchange.sent >= limit || exchange.unsendable.is_some() {
            return Poll::Pending;
        }
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let used = exchange.message.slices(exchange.sent, limit, &mut slices);
        match ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &slices[..used])) {
            Ok(count) => exchange.sent += count as u64,
            Err(error) => exchange.unsendable = Some(error),
        }
        Poll::Ready(())
    }

    /// Reads once; pending too when the answer is whole.
    fn poll_answer(&mut self, cx: &mut Context<'_>, exchange: &mut Exchange<'_>) -> Poll<Result<(), Broken>> {
        if exchange.answer.is_done() {
            return Poll::Pending;
        }
        if self.pending == self.buffer.len() {
            return Poll::Ready(Err(Broken::Oversized));
        }
        let mut free = ReadBuf::new(&mut self.buffer[self.pending..]);
        let outcome = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut free));
        let count = free.filled().len();
        match outcome {
            Err(error) => return Poll::Ready(Err(Broken::Reset(error))),
            Ok(()) if count == 0 => {
                return Poll::Ready(match (exchange.answer.end(), exchange.unsendable.take()) {
                    (true, _) => Ok(()),
                    (false, Some(error)) => Err(Broken::Reset(error)),
                    (false, None) => Err(Broken::Closed),
                });
            }
            Ok(()) => {}
        }
        exchange.heard = true;
        let end = self.pending + count;
        let used = exchange.answer.read(&self.buffer[..end], |_| {})?;
        self.buffer.copy_within(used..end, 0);
        self.pending = end - used;
        Poll::Ready(Ok(()))
    }

    /// Whether the server sent more than the answers it owed, so that the next answer can't be trusted.
    pub(super) fn is_out_of_step(&self) -> bool {
        self.pending > 0
    }
}
