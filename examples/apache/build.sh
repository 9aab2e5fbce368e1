#!/bin/sh
# Builds mod_upload.so and mod_sink.so into OUT_DIR/.libs, unless those there are newer than their sources.
#
#     examples/apache/build.sh OUT_DIR
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 OUT_DIR" >&2
    exit 2
fi
sources=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"

apxs=$(command -v apxs || command -v apxs2 || true)
if [ -z "$apxs" ]; then
    echo "build.sh: apxs is missing, which builds Apache modules: apt-get install apache2-dev" >&2
    exit 1
fi

for module in mod_upload mod_sink; do
    if [ -e ".libs/$module.so" ] && [ ".libs/$module.so" -nt "$sources/$module.c" ]; then
        continue
    fi
    cp "$sources/$module.c" .
    # apxs is as talkative as libtool: it is heard only when it fails.
    if ! "$apxs" -c -Wc,-std=gnu11 -Wc,-Wall -Wc,-Wextra -Wc,-g "$module.c" >"$module.log" 2>&1; then
        cat "$module.log" >&2
        exit 1
    fi
done
