#!/bin/sh
# Installs what the tests need and this machine lacks: on Debian and Ubuntu, as root or with sudo.
#
#     scripts/setup-tests.sh
#
# apache2-bin is the program without its service; the packages of PHP-FPM, nginx, Prometheus and its exporters bring one, which the
# tests do not use.
set -eu

# apache2-bin   the server under test; php8.2-fpm another one behind it
# apache2-dev   apxs, which builds the faulty module; with the compiler that it calls
# python3       a worker whose garbage nobody collects, and a program under the preload library, as are
# g++           one in C++, php8.2-cli, nodejs, mariadb-server-core and -client-core, redis-server, which has jemalloc inside, and
# libjemalloc-dev for a program that has it linked into it, luajit2, and
# nginx         with libnginx-mod-http-lua, which loads LuaJIT late
# musl-tools    a program of another C library
# prometheus    with two of its exporters, which a fleet is judged from, and victoria-metrics, which is asked alike
# prometheus-pushgateway, at which a verdict is left
# socat         speaks TLS for what doesn't; openssl makes its certificates
# haproxy       gives up requests that wait for too long
# gunicorn      serves what `seepage init` writes, as puma and Java do; curl is a load
# chromium      renders the HTML report
# jq            reads what the API of GitHub says, in action.yml
# and shellcheck looks at the scripts, those of action.yml too
packages="php8.2-fpm php8.2-cli apache2-bin apache2-dev gcc g++ libc6-dev python3 libpython3-dev redis-server mariadb-server-core mariadb-client-core nodejs
    libjemalloc-dev musl-tools luajit2 nginx libnginx-mod-http-lua prometheus prometheus-node-exporter
    prometheus-process-exporter prometheus-pushgateway victoria-metrics socat openssl haproxy gunicorn puma
    openjdk-17-jdk-headless curl chromium jq shellcheck"

deny_version=0.20.2
nextest_version=0.9.143

missing=""
for package in $packages; do
    if ! dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed; then
        missing="$missing $package"
    fi
done

if [ -n "$missing" ]; then
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "setup-tests.sh: not root and no sudo: have somebody run apt-get install$missing" >&2
            exit 1
        fi
        as_root="sudo"
    fi
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends $missing
fi

if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    rustup component add rustfmt clippy
fi

# Unoptimised: it takes a minute or two to build, and half a second to run either way.
if ! cargo deny --version >/dev/null 2>&1; then
    CARGO_PROFILE_DEV_DEBUG=false cargo install --quiet --locked --debug "cargo-deny@$deny_version"
fi
# It runs the tests of all programs at once.
if ! cargo nextest --version >/dev/null 2>&1; then
    CARGO_PROFILE_DEV_DEBUG=false cargo install --quiet --locked --debug "cargo-nextest@$nextest_version"
fi
