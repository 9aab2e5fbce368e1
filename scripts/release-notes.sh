#!/bin/sh
# Prints what CHANGELOG.md says of a release; fails unless its tag is that of the version in Cargo.toml.
#
#     scripts/release-notes.sh v0.1.0
set -eu

cd "$(dirname "$0")/.."

fail() {
    echo "release-notes.sh: $*" >&2
    exit 1
}

[ $# -eq 1 ] || fail "expected one tag, such as v0.1.0; got $# arguments"
version=$(sed -n '/^\[workspace.package\]/,/^\[/ s/^version = "\(.*\)"/\1/p' Cargo.toml)
[ "$1" = "v$version" ] || fail "the tag is $1, and Cargo.toml has version $version: the tag has to be v$version"
notes=$(awk -v head="## $version" '/^## / { inside = index($0, head) == 1 && substr($0, length(head) + 1, 1) ~ /^( |$)/; next } inside' CHANGELOG.md)
[ -n "$notes" ] || fail "CHANGELOG.md has no heading \"## $version\" with something below it"
printf '%s\n' "$notes"
