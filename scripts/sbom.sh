#!/bin/sh
# Lists what a release is built from, as CycloneDX 1.5 in JSON: every crate with its version, licence and checksum.
#
#     scripts/sbom.sh FILE
#
# cargo-cyclonedx is installed if there is none.
set -eu

version=0.5.9

fail() {
    echo "sbom.sh: $*" >&2
    exit 1
}

[ $# -eq 1 ] || fail "expected the file to write, got $# arguments"
case $1 in
    -*) fail "unknown option $1; see the head of this file" ;;
    /*) file=$1 ;;
    *) file=$PWD/$1 ;;
esac
cd "$(dirname "$0")/.."
cargo cyclonedx --version >/dev/null 2>&1 ||
    CARGO_PROFILE_DEV_DEBUG=false cargo install --quiet --locked --debug "cargo-cyclonedx@$version"

# It writes one beside each manifest; that of the program has all that the core is built from.
name=sbom-$$.cdx
trap 'rm -f "$name.json" "src/core/$name.json"' EXIT
trap 'exit 130' INT TERM
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
cargo cyclonedx --quiet --format json --spec-version 1.5 --override-filename "$name" --target "$(rustc -vV | sed -n 's/^host: //p')"
# Where it was made is nobody's business, and would make each list another.
sed "s,path+file://$PWD,path+file:///seepage,g" "$name.json" >"$file"
components=$(grep -c '"scope": "required"' "$file") || fail "$file lists nothing"
echo "sbom.sh: $file lists $components crates"
