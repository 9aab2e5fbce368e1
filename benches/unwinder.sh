#!/bin/bash
# How a stack that is walked in the target compares with a copy of it that is walked elsewhere: depth, sameness, and what a sample costs
# the target; see docs/decisions/unwinder.md. Usage: benches/unwinder.sh; needs cc, c++, rustc and cargo; what is missing of perl,
# python3, php, node, java and luajit is left out. Prints Markdown tables.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build -q --example unwinder
walker=$(realpath "${CARGO_TARGET_DIR:-target}/debug/examples/unwinder")
scratch=$(mktemp -d)
target=
trap '[ -z "$target" ] || kill "$target"; rm -rf "$scratch"' EXIT
cp benches/unwinder/* "$scratch"
cd "$scratch"
library() {
    local to=$1
    shift
    cc -O2 -shared -fPIC -fexceptions "$@" -o "$to" both.c -ldl -lgcc_s
}
library both.so -DWALK=1 -DCOPY=32768

# A row of what a program's samples hold; the first argument is its name.
row() {
    local name=$1
    shift
    : > out
    PYTHONMALLOC=malloc USE_ZEND_ALLOC=0 UNWINDER_MEAN=4096 LD_PRELOAD=$scratch/both.so "$@" > out 2> /dev/null &
    target=$!
    for _ in $(seq 300); do
        ! grep -q ready out || break
        kill -0 "$target" 2> /dev/null || break
        sleep 0.1
    done
    "$walker" "$target" "$name" 2> /dev/null || echo "| $name | ended |"
    kill "$target" 2> /dev/null || true
    wait "$target" 2> /dev/null || true
    target=
}

cat << 'END'
| program | samples | depth in the target | of 4 KiB | 8 | 16 | 32 | sees less: 4 KiB | 8 | 16 | 32 | sees more: 32 | differ otherwise | KiB of stack, median | stacks | by their words |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
END
cc -O2 -fno-builtin -o no-pointers keep.c && row "C" ./no-pointers
cc -O2 -fno-builtin -fno-omit-frame-pointer -o pointers keep.c && row "C, frame pointers" ./pointers
cc -O2 -fno-builtin -fno-omit-frame-pointer -fno-asynchronous-unwind-tables -o no-tables keep.c
row "C, frame pointers and no tables" ./no-tables
c++ -O2 -o plus keep.cc && row "C++" ./plus
rustc -O -o rust keep.rs && row "Rust" ./rust
cc -O2 -fno-builtin -o coroutine coroutine.c
row "C, in a coroutine" ./coroutine 65536
have() { command -v "$1" > /dev/null; }
if have perl; then row "Perl" perl keep.pl; fi
if [ -x /usr/bin/python3 ]; then row "Python" /usr/bin/python3 keep.py; fi
if have php; then
    row "PHP" php keep.php
    row "PHP, JIT" php -d opcache.enable_cli=1 -d opcache.jit_buffer_size=32M -d opcache.jit=tracing keep.php
fi
if have node; then row "Node" node keep.js; fi
if have javac; then javac Keep.java && row "Java" java Keep; fi
if have luajit; then row "LuaJIT" luajit keep.lua; fi

# CPU seconds of a program under a library; the least of five.
least() {
    for _ in 1 2 3 4 5; do
        { TIMEFORMAT='%U %S' && time env "$@" > /dev/null; } 2>&1 | awk '{ print $1 + $2 }'
    done | sort -g | head -n 1
}
echo
echo "| µs a sample in the target | 6 functions deep | 20 functions deep |"
echo "|---|---|---|"
cc -O2 -fno-builtin -o deep deep.c
library walk.so -DWALK=1 -DCOPY=0
for size in 4096 8192 16384 32768; do library "copy-$size.so" -DWALK=0 -DCOPY="$size"; done
pairs=4000000
for tool in walk copy-4096 copy-8192 copy-16384 copy-32768; do
    printf '| %s |' "$tool"
    for depth in 6 20; do
        none=$(least LD_PRELOAD="$scratch/$tool.so" ./deep "$depth" "$pairs")
        all=$(least LD_PRELOAD="$scratch/$tool.so" UNWINDER_MEAN=2048 ./deep "$depth" "$pairs")
        # Blocks of 131.5 bytes on average, so that a sample comes each 16 pairs.
        awk -v all="$all" -v none="$none" -v n=$((pairs / 16)) 'BEGIN { printf " %.2f |", 1e6 * (all - none) / n }'
    done
    echo
done
