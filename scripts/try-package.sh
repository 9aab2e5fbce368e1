#!/bin/sh
# Installs what scripts/package.sh made in bare Debian systems, and uses it there as somebody would who has nothing else.
#
#     scripts/try-package.sh [FOLDER [SUITE...]]      by default target/packages and bookworm; as root; needs debootstrap
#
# A system is a folder of its own, with processes and mounts that end with it.
set -eu

cd "$(dirname "$0")/.."
folder=${1:-target/packages}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- bookworm

fail() {
    echo "try-package.sh: $*" >&2
    exit 1
}

[ "$(id -u)" -eq 0 ] || fail "it has to run as root: it makes a system with debootstrap"
command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"
[ -f "$folder/SHA256SUMS" ] || fail "$folder has no SHA256SUMS: run scripts/package.sh first"

scratch=$(mktemp -d)
trap 'rm -rf --one-file-system "$scratch"' EXIT
trap 'exit 130' INT TERM

# What is done there; its arguments are the exit code, then the command.
cat >"$scratch/use.sh" <<'USE'
set -eu
expect() {
    wanted=$1 code=0
    shift
    "$@" >/tmp/out 2>&1 </dev/null || code=$?
    if [ "$code" -ne "$wanted" ]; then
        cat /tmp/out
        echo "try-package.sh: expected exit code $wanted and got $code: $*"
        exit 1
    fi
}
# How long what was done since the last line took.
took() {
    now=$(date +%s.%N)
    echo "$last $now $*" | awk '{ printf "%8.1f s  ", $2 - $1; $1 = $2 = ""; print substr($0, 3) }'
    last=$now
}
last=$(date +%s.%N)
mkdir /tmp/use && cd /tmp/use
(cd /packages && sha256sum --quiet -c SHA256SUMS)
expect 0 dpkg -i /packages/seepage_*.deb
took "installed"
expect 0 seepage --version
cat /tmp/out
expect 0 seepage doctor
expect 0 seepage init worker
expect 0 seepage check worker.toml
expect 2 seepage chek worker.toml
took "a harness file written by init, and checked"
expect 10 seepage run /usr/share/seepage/harness-configs/quickstart.toml
grep LEAKS /tmp/out
took "the first verdict"
expect 0 seepage run /usr/share/seepage/harness-configs/quickstart-clean.toml
# With the preload library, which has a glibc of its own to need.
expect 10 seepage run /usr/share/seepage/harness-configs/quickstart.toml --heap
grep 'kept by seepage: ' /tmp/out # by the function's name, not by a place in the file
took "a clean run, and one with its line of code"
# A repository whose gate is the recipes: the shell of the one for any CI, and of GitLab's job, as its runner calls it.
mkdir -p repository/ci repository/.seepage/bin && cd repository
ln -s /usr/bin/seepage .seepage/bin/seepage
for harness in quickstart quickstart-clean; do
    cp "/usr/share/seepage/harness-configs/$harness.toml" ci/leaks.toml
    code=10
    [ "$harness" = quickstart ] || code=0
    expect "$code" sh /usr/share/seepage/examples/ci/leaks.sh
    tail -n 1 /tmp/out
    sed -n '/^  script:/,/^  [^ ]/ s/^    - //p' /usr/share/seepage/examples/ci/gitlab.yml | grep -v 'cargo install' >job.sh
    expect "$code" bash -eo pipefail job.sh
    tail -n 1 /tmp/out
    [ "$(find leaks -name junit.xml | wc -l)" -eq 2 ]
    rm -r leaks
done
cd ..
took "the gate of a repository, four times"
[ -s /usr/share/man/man1/seepage.1.gz ] && [ -s /usr/share/bash-completion/completions/seepage ]
[ -s /usr/share/doc/seepage/copyright ] && [ -s /usr/share/doc/seepage/LICENSE-APACHE ]
expect 0 dpkg --purge seepage
[ -z "$(find / -xdev -path /proc -prune -o -path /tmp -prune -o -path /packages -prune -o -name '*seepage*' -print | grep -v '^/var/lib/dpkg\|^/var/log')" ]
tar -xzf /packages/seepage-*.tar.gz
cd seepage-*
expect 10 ./seepage run harness-configs/quickstart.toml
USE

for suite; do
    root=$scratch/$suite
    debootstrap --variant=minbase "$suite" "$root" >"$scratch/log" 2>&1 || {
        tail -5 "$scratch/log" >&2
        fail "debootstrap could not make $suite"
    }
    mkdir "$root/packages"
    cp "$folder"/SHA256SUMS "$folder"/seepage?* "$root/packages/"
    cp "$scratch/use.sh" "$root/use.sh"
    echo "==> $suite, glibc $(chroot "$root" getconf GNU_LIBC_VERSION | sed 's/glibc //')"
    # shellcheck disable=SC2016 # expanded there
    unshare --mount --pid --fork --kill-child sh -c '
        mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount -t tmpfs tmpfs "$1/tmp" &&
        exec chroot "$1" /bin/sh /use.sh' - "$root" || fail "$suite: it doesn't work there"
done
echo "try-package.sh: it works in $*"
