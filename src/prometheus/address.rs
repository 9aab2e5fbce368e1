//! Addresses of those that are spoken to: plain HTTP, without secrets in it.

use url::Url;

/// Whose addresses are read, and what to do about those that can't be used.
pub struct Whose {
    /// What is expected, with an example.
    pub expected: &'static str,
    /// The port on which a proxy on this machine is suggested.
    pub port: u16,
    /// How the host's name is given beside the address of a proxy, with `HOST` in its place.
    pub host: &'static str,
    /// What to do instead of a user and a password in the address.
    pub secrets: &'static str,
}

impl Whose {
    /// Reads an address, whose scheme may be missing.
    ///
    /// # Errors
    /// If it is none, or nothing that may be spoken to; what to give instead is said.
    pub fn read(&self, text: &str) -> Result<Url, String> {
        let Whose { expected, port, host, secrets } = self;
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&text).map_err(|error| format!("{error}: expected {expected}"))?;
        match url.scheme() {
            "http" => {}
            "https" => {
                let name = url.host_str().unwrap_or("HOST");
                let theirs = url.port_or_known_default().unwrap_or(443);
                let path = url.path().trim_end_matches('/');
                return Err(format!(
                    "https:// isn't spoken: seepage has no TLS. Let a proxy on this machine speak it, such as `socat \
                     TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr OPENSSL:{name}:{theirs}` (with the options cert, \
                     key and cafile if it wants a client's certificate) or `kubectl port-forward`, and give its address: \
                     http://127.0.0.1:{port}{path}{}",
                    host.replace("HOST", name)
                ));
            }
            other => return Err(format!("{other}:// can't be asked: expected {expected}")),
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(format!("it names no host: expected {expected}"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!("a user and a password in an address can be seen by everyone: {secrets}"));
        }
        Ok(url)
    }
}

/// A path below the one that an address has.
pub fn below(base: &Url, parts: &[&str]) -> Url {
    let mut url = base.clone();
    // Addresses of HTTP have paths.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(parts);
    }
    url
}

/// A foreign text for a message: not all of a long one.
pub fn shown(text: &str) -> String {
    /// Characters that are shown.
    const MOST: usize = 300;
    let mut out: String = text.chars().take(MOST).collect();
    if text.chars().nth(MOST).is_some() {
        out.push_str("...");
    }
    out
}
