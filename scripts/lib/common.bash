# shellcheck shell=bash
# What every script here shares: how it speaks, how it fails, and which ports are free.
# Sourced, never run. Exit codes follow sysexits(3): 64 wrong usage, 69 something needed is unavailable.

# The script's name, as it stands in front of each of its lines.
program="scripts/${0##*/}"

say() { printf '%s: %s\n' "$program" "$*"; }

# fail CODE MESSAGE…: the last line that a script prints.
fail() {
    local code=$1
    shift
    printf '%s: %s\n' "$program" "$*" >&2
    exit "$code"
}

# show_log FILE [LINES]: the end of a log, for the reader of an error that follows from it.
show_log() {
    [ -s "$1" ] || return 0
    printf '%s: the last lines of %s:\n' "$program" "$1" >&2
    tail -n "${2:-15}" "$1" | sed 's/^/    /' >&2
}

has() { command -v "$1" >/dev/null 2>&1; }

# listening PORT: does anything accept connections on this port of the loopback address?
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port: a port nobody listens on, drawn at random so that two scripts that draw at the same time differ, and
# below the range from which the kernel takes the ports of outgoing connections.
free_port() {
    local port _
    for _ in {1..100}; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        listening "$port" || { echo "$port" && return 0; }
    done
    fail 69 "found no free port between 20000 and 31999"
}

# print_help FILE: the comment at the head of a script is its help.
print_help() { awk 'NR == 1 { next } /^#/ { sub(/^# ?/, ""); print; next } { exit }' "$1"; }

# need_rust [COMPONENT…]: cargo, the C compiler that links, with the make that builds C parts, and components such as clippy.
need_rust() {
    local component
    has cargo || PATH=$PATH:${HOME:-}/.cargo/bin
    has cargo || fail 69 "cargo isn't on the PATH; Rust's installer is at https://rustup.rs"
    has cc || fail 69 "there is no C compiler (cc), which Rust links with; on Debian and Ubuntu: apt-get install build-essential"
    has make || fail 69 "there is no make, which builds the memory allocator; on Debian and Ubuntu: apt-get install build-essential"
    for component; do
        cargo "$component" --version >/dev/null 2>&1 || fail 69 "cargo $component isn't installed; 'rustup component add rustfmt clippy' installs it"
    done
}

# target_folder ROOT: where cargo puts what it builds.
target_folder() {
    (cd "$1" && cargo metadata --no-deps --format-version 1 --locked) | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
}
