//! A single GET, for readiness and status pages. The page belongs to the target, so its time and its size are bounded.

use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper_util::rt::TokioIo;
use std::io::{Error, ErrorKind};
use std::time::Duration;
use url::Url;

/// Largest page that is read.
const LARGEST: usize = 16 << 20;

/// Fetches `url` (plain HTTP) within `timeout`: status code and body, of at most 16 MiB.
///
/// # Errors
/// If the URL isn't plain HTTP, nothing listens, the answer isn't HTTP, is too long or too late.
pub fn get(url: &str, timeout: Duration) -> Result<(u16, Vec<u8>), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::time::timeout(timeout, fetch(url)).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::TimedOut, format!("no answer from {url} within {timeout:?}")))
        })
    })
}

/// Fetches `url` over so many connections at once, which all stay open until each has its answer: of a server whose
/// workers serve one connection each, every worker gets one. Returns the status codes.
///
/// # Errors
/// As [`get`], if any of them fails.
pub fn get_from_each(url: &str, connections: usize, timeout: Duration) -> Result<Vec<u16>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let late = |_| Error::new(ErrorKind::TimedOut, format!("no answer from {url} within {timeout:?}"));
        let all = async {
            let mut tasks = tokio::task::JoinSet::new();
            let answered = std::sync::Arc::new(tokio::sync::Barrier::new(connections.max(1)));
            for _ in 0..connections.max(1) {
                let (url, answered) = (url.to_owned(), std::sync::Arc::clone(&answered));
                tasks.spawn(async move { fetch_beside(&url, &answered).await });
            }
            let mut statuses = Vec::new();
            while let Some(joined) = tasks.join_next().await {
                statuses.push(joined.map_err(Error::other)??);
            }
            Ok(statuses)
        };
        tokio::time::timeout(timeout, all).await.map_err(late)?
    })
}

/// Fetches a page and keeps its connection until all others have theirs.
async fn fetch_beside(url: &str, answered: &tokio::sync::Barrier) -> Result<u16, Error> {
    let (mut sender, connection, request) = begin(url, "keep-alive").await?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(Error::other)?;
        let status = response.status().as_u16();
        Limited::new(response.into_body(), LARGEST).collect().await.map_err(Error::other)?;
        answered.wait().await;
        Ok(status)
    };
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        _ = connection => exchange.await,
    }
}

type Sender = hyper::client::conn::http1::SendRequest<Empty<bytes::Bytes>>;
type Connection = hyper::client::conn::http1::Connection<TokioIo<tokio::net::TcpStream>, Empty<bytes::Bytes>>;

async fn fetch(text: &str) -> Result<(u16, Vec<u8>), Error> {
    let (mut sender, connection, request) = begin(text, "close").await?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(Error::other)?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), LARGEST).collect().await.map_err(Error::other)?;
        Ok((status, body.to_bytes().to_vec()))
    };
    tokio::pin!(exchange);
    // The connection's own future moves the bytes; it may end before the answer is taken.
    tokio::select! {
        answer = &mut exchange => answer,
        _ = connection => exchange.await,
    }
}

/// Connects, and makes the request that is to be sent.
async fn begin(text: &str, keep: &str) -> Result<(Sender, Connection, Request<Empty<bytes::Bytes>>), Error> {
    let invalid = |what: &str| Error::new(ErrorKind::InvalidInput, format!("{text}: {what}"));
    let url = Url::parse(text).map_err(|e| invalid(&e.to_string()))?;
    if url.scheme() != "http" {
        return Err(invalid("only plain http:// can be fetched"));
    }
    let host = url.host_str().ok_or_else(|| invalid("no host"))?;
    let stream =
        tokio::net::TcpStream::connect((host.trim_matches(['[', ']']), url.port_or_known_default().unwrap_or(80)))
            .await?;
    let (sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(Error::other)?;
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let request = Request::get(target)
        .header("host", &url[url::Position::BeforeHost..url::Position::AfterPort])
        .header("user-agent", "seepage")
        .header("connection", keep)
        .body(Empty::<bytes::Bytes>::new())
        .map_err(Error::other)?;
    Ok((sender, connection, request))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    fn serve_once(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer);
        });
        format!("http://{address}/status?full")
    }

    #[test]
    fn a_page_is_fetched_whole() {
        let url = serve_once(b"HTTP/1.1 503 Busy\r\ncontent-length: 5\r\n\r\nhello");
        assert_eq!(get(&url, Duration::from_secs(5)).unwrap(), (503, b"hello".to_vec()));
    }

    #[test]
    fn garbage_and_silence_are_errors() {
        assert!(get(&serve_once(b"SSH-2.0-nope\r\n\r\n"), Duration::from_secs(5)).is_err());
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        assert_eq!(get(&url, Duration::from_millis(50)).unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(get("https://127.0.0.1/", Duration::from_secs(1)).is_err());
    }
}
