//! A server that wants TLS and a certificate of who asks, behind the proxy that docs/fleet.md has.

use super::stand_in::StandIn;
use super::{fleet, pod, right};
use crate::common::{Bench, wait_until};
use crate::programs::{are_there, free, start};
use std::net::TcpStream;
use std::process::Command;

fn openssl(bench: &Bench, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(bench.path()).output().unwrap();
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes NAME.pem and NAME.key, which the authority of this bench signs.
fn certify(bench: &Bench, name: &str) {
    openssl(
        bench,
        &format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
        ),
    );
    let signed = format!("-CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile {name}.ext -out {name}.pem");
    bench.write(&format!("{name}.ext"), &format!("subjectAltName=DNS:{name}\n"));
    openssl(bench, &format!("x509 -req -in {name}.csr {signed}"));
}

#[test]
fn a_proxy_speaks_tls_and_shows_a_client_s_certificate() {
    if !are_there(&["socat", "openssl"]) {
        return;
    }
    let bench = Bench::new();
    openssl(
        &bench,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem",
    );
    ["localhost", "seepage"].iter().for_each(|name| certify(&bench, name));
    let server = StandIn::new(vec![pod("a", 0.0), pod("leaks", 100.0)], right);
    let [tls, shown, hidden, foreign] =
        [free(), free(), free(), free()].map(|at| at.rsplit(':').next().unwrap().to_owned());
    let listen = |port: &str| format!("TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr");
    let to = server.url.replace("http://", "TCP:");
    // As a server does that wants to know who asks.
    let wants = format!(
        "OPENSSL-LISTEN:{tls},bind=127.0.0.1,fork,reuseaddr,cert=localhost.pem,key=localhost.key,cafile=ca.pem,verify=1"
    );
    let reaches = format!("OPENSSL:localhost:{tls},pf=ip4");
    let _running = [
        start(&bench, "socat", &[&wants, &to]),
        start(
            &bench,
            "socat",
            &[&listen(&shown), &format!("{reaches},cert=seepage.pem,key=seepage.key,cafile=ca.pem")],
        ),
        start(&bench, "socat", &[&listen(&hidden), &format!("{reaches},cafile=ca.pem")]),
        // The server isn't who it should be, as nobody whom this one trusts says so.
        start(
            &bench,
            "socat",
            &[&listen(&foreign), &format!("{reaches},cert=seepage.pem,key=seepage.key,cafile=seepage.pem")],
        ),
    ];
    for port in [&tls, &shown, &hidden, &foreign] {
        wait_until("socat listens", || TcpStream::connect(format!("127.0.0.1:{port}")).is_ok());
    }
    let asked = |port: &str| fleet(&bench, &format!("http://127.0.0.1:{port}"), &["--memory", "mem"]);
    let ended = asked(&shown);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert!(ended.stdout.contains("of 2 series 1 leaks, 1 is clean"), "{}", ended.story());
    for port in [&hidden, &foreign] {
        let before = server.asked().len();
        let ended = asked(port);
        assert_eq!(ended.code, Some(1), "{}", ended.story());
        assert!(ended.stderr.contains("did not answer: "), "{}", ended.story());
        assert_eq!(server.asked().len(), before, "nothing came through");
    }
}
