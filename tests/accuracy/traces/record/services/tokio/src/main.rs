//! An axum page that builds a table of changing size and, every time, a map that grows and is dropped. Keeps nothing.
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

static VISITS: AtomicUsize = AtomicUsize::new(0);

async fn page() -> String {
    let visit = VISITS.fetch_add(1, Ordering::Relaxed);
    let rows: HashMap<usize, String> = (0..20 + visit * 37 % 2000).map(|id| (id, "n".repeat(id % 90))).collect();
    tokio::task::yield_now().await;
    rows.values().take(50).cloned().collect()
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let port = std::env::args().nth(1).expect("a port");
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await.expect("a free port");
    axum::serve(listener, axum::Router::new().route("/", axum::routing::get(page))).await.expect("a server");
}
