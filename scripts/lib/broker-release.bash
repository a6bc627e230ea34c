# shellcheck shell=bash disable=SC2154
# RabbitMQ of another version than the machine's: the Debian release that carries it, put into a folder by debootstrap
# and entered by chroot, in a mount namespace that ends with the node, so that nothing stays mounted. Needs root, and
# Debian's apt sources, from which it takes the mirror. Sourced by scripts/broker, whose variables are release (the
# version, empty for the machine's own RabbitMQ) and dir (the node's folder).

# Not in BROKER_DIR, which may be a run's own: a release is made once for all.
releases=${XDG_STATE_HOME:-${HOME:-}/.local/state}/chatbot-worker/releases

# The Debian release that carries a version.
release_suite() {
    case $1 in
    3.10) echo bookworm ;;
    4.0) echo trixie ;;
    4.3) echo sid ;;
    *) return 1 ;;
    esac
}

# choose_release VERSION: sets release, and makes its folder where it is missing.
choose_release() {
    release_suite "$1" >/dev/null || fail 64 "--version is 3.10, 4.0 or 4.3"
    release=''
    case $(dpkg-query -W -f '${Version}' rabbitmq-server 2>/dev/null) in
    "$1".*) local_available && return ;;
    esac
    release=$1
    make_release
}

release_folder() { if [ -n "$release" ]; then echo "$releases/$release"; fi; }

make_release() {
    local folder suite part log
    folder=$(release_folder) suite=$(release_suite "$release") log=$releases/$release.log
    [ "$(id -u)" = 0 ] || fail 69 "RabbitMQ $release isn't the machine's own, and another needs root (debootstrap, chroot)"
    mkdir -p "$releases"
    exec 8>"$releases/$release.lock"
    flock 8
    if [ ! -x "$folder/usr/lib/rabbitmq/bin/rabbitmq-server" ]; then
        # A folder that is half made never has the final name.
        part=$folder.part
        rm -rf --one-file-system "$part" "$folder"
        say "making a folder with RabbitMQ $release (Debian $suite; a minute or so; log: $log)"
        bootstrap "$suite" "$part" >"$log" 2>&1 </dev/null || {
            show_log "$log"
            fail 69 "RabbitMQ $release can't be had: Debian $suite couldn't be put into $part"
        }
        mv "$part" "$folder"
    fi
    exec 8>&-
}

# bootstrap SUITE FOLDER
bootstrap() {
    local mirror
    has debootstrap || { apt_get update && apt_get install --no-install-recommends debootstrap; } || return
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' | sed q)
    [ -n "$mirror" ] || { echo "apt's sources name no mirror of Debian (or 'apt-get update' is due)" && return 1; }
    debootstrap --variant=minbase "$1" "$2" "$mirror" || return
    printf '#!/bin/sh\nexit 101\n' >"$2/usr/sbin/policy-rc.d" # its services aren't started
    chmod +x "$2/usr/sbin/policy-rc.d"
    cp /etc/resolv.conf "$2/etc/resolv.conf"
    unshare --mount chroot "$2" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
        sh -c 'mount -t proc proc /proc && apt-get install -q -y --no-install-recommends rabbitmq-server'
}
