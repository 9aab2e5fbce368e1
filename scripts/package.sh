#!/bin/sh
# Makes what is released: a tarball and a .deb of seepage for this machine's processor, and their checksums.
#
#     scripts/package.sh [FOLDER]        by default target/packages
#
# Needs Debian or Ubuntu with dpkg-dev. Where cargo-zigbuild and zig are there (python3 -m pip install cargo-zigbuild
# ziglang), it is linked against glibc 2.28 of 2018, else against this machine's; the last line says which glibc it needs.
# cargo-deb is installed if there is none.
set -eu

cd "$(dirname "$0")/.."
out=${1:-target/packages}
oldest_glibc=2.28
cargo_deb=3.8.0

fail() {
    echo "package.sh: $*" >&2
    exit 1
}

[ $# -le 1 ] || fail "expected one folder at most, got $*"
case $out in -*) fail "unknown option $out; see the head of this file" ;; esac
command -v dpkg-shlibdeps >/dev/null || fail "dpkg-shlibdeps is missing: apt-get install dpkg-dev"
cargo deb --version >/dev/null 2>&1 || CARGO_PROFILE_DEV_DEBUG=false cargo install --quiet --locked --debug "cargo-deb@$cargo_deb"

version=$(sed -n '/^\[workspace.package\]/,/^\[/ s/^version = "\(.*\)"/\1/p' Cargo.toml)
target=$(rustc -vV | sed -n 's/^host: //p')
folders=${CARGO_TARGET_DIR:-target}

if command -v cargo-zigbuild >/dev/null && { command -v zig || python3 -m ziglang version; } >/dev/null 2>&1; then
    cargo zigbuild --locked --profile dist --bin seepage --target "$target.$oldest_glibc"
    variant=
else
    echo "package.sh: no cargo-zigbuild or no zig: linked against the glibc of this machine" >&2
    cargo build --locked --profile dist --bin seepage --target "$target"
    variant=--variant=here
fi
binary=$folders/$target/dist/seepage

# The preload library is carried within the binary: its symbol versions are found, too.
needed=$(grep -aoE 'GLIBC_[0-9]+(\.[0-9]+)+' "$binary" | sed 's/GLIBC_//' | sort -Vu | tail -1)
[ -n "$needed" ] || fail "the binary names no version of glibc"
if [ -z "$variant" ] && [ "$(printf '%s\n' "$needed" "$oldest_glibc" | sort -V | tail -1)" != "$oldest_glibc" ]; then
    fail "it was to need glibc $oldest_glibc and needs $needed"
fi

# One tree, which the tarball has and from which the .deb takes its files (package.metadata.deb in Cargo.toml).
name=seepage-$version-$target
tree=target/packages/tree
rm -rf "target/packages"
mkdir -p "$tree/completions" "$out"
strip --strip-debug -o "$tree/seepage" "$binary"
"$tree/seepage" man >"$tree/seepage.1"
for shell in bash zsh fish; do
    "$tree/seepage" completions "$shell" >"$tree/completions/$shell"
done
# What the crate has beside its source; the pages name each other by their places, so they keep them.
cargo package --list --allow-dirty --package seepage |
    grep -E '^(docs|examples|harness-configs)/|^(README|CHANGELOG)\.md$|^LICENSE-' >target/packages/list
tar -c -T target/packages/list | tar -x -C "$tree"

# The same input, the same bytes.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
tar -c --sort=name --owner=0 --group=0 --numeric-owner --mode=u+w,go-w,a+rX --mtime="@$SOURCE_DATE_EPOCH" -C "$tree" \
    --transform="s,^\.,$name," . | gzip -9n >"$out/$name.tar.gz"
cargo deb --quiet --no-build --no-strip --package seepage ${variant:+"$variant"} --output "$out/"
(cd "$out" && sha256sum -- "$name.tar.gz" "seepage_$version-1_"*.deb >SHA256SUMS && cat SHA256SUMS)

echo "package.sh: $out has seepage $version for $target; it needs glibc $needed"
