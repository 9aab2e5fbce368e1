#!/bin/bash
# Installs what a target of targets.py needs, into the folder ENVS: prepare.sh NAME. Then: ENVS=... python3 record.py NAME.
set -euo pipefail
cd "$(dirname "$0")"
: "${ENVS:?name a folder for the packages}"

pypi() { python3 -m pip --quiet install --target "$ENVS/$1" "${@:2}"; }
npm_package() { mkdir -p "$ENVS/npm-$1" && (cd "$ENVS/npm-$1" && npm init -y && npm install --no-audit --no-fund "${@:2}") > /dev/null; }
debian() { apt-get install --quiet --yes "$@"; }

case $1 in
msgpack-* | multidict-* | hiredis-* | numpy-* | cbor2-* | selectolax-*) pypi "$1" "${1%-*}==${1##*-}" ;;
pydantic-*) pypi "pydantic-${1##*-}" "pydantic==${1##*-}.*" || pypi "pydantic-${1##*-}" "pydantic==${1##*-}" ;;
pendulum-2.1.2) pypi pendulum pendulum==2.1.2 ;;
pendulum-3.0.0) pypi pendulum-3 pendulum==3.0.0 ;;
debug-* | mem-*) npm_package "$1" "${1%-*}@${1##*-}" ;;
ajv-*) npm_package ajv-8.17.1 ajv@8.17.1 ;;
node-*) npm_package debug-4.3.4 debug@4.3.4 ;;
java-*) debian default-jdk-headless && javac -d classes Service.java ;;
postgres-*) debian postgresql && python3 -m pip --quiet install "psycopg[binary]" ;;
gunicorn-* | lru-* | churn) pypi wsgi gunicorn==23.0.0 ;;
uwsgi-*) debian uwsgi-core uwsgi-plugin-python3 ;;
puma) debian puma ;;
memcached-*) debian memcached ;;
haproxy | caddy) debian "$1" ;;
tokio) (cd tokio && cargo build --release) ;;
*) echo "no target is called $1" >&2 && exit 2 ;;
esac
