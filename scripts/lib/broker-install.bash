# shellcheck shell=bash disable=SC2154
# Installing RabbitMQ and taking it away again. Sourced by scripts/broker, whose variable base is the folder that
# holds the record of what was installed: `installed-packages` (one a line) or `installed-image`.

install() {
    if local_available; then
        say "RabbitMQ is installed: $(local_programs)/rabbitmq-server"
    elif docker_available && docker image inspect "$docker_image" >/dev/null 2>&1; then
        say "RabbitMQ is there as the Docker image $docker_image"
    elif has apt-get && { [ "$(id -u)" = 0 ] || { has sudo && sudo -n true 2>/dev/null; }; }; then
        install_packages
    elif docker_available; then
        install_image
    elif has apt-get && has sudo && [ -t 0 ]; then
        say "to install RabbitMQ, sudo may ask for your password"
        install_packages
    else
        fail 69 "found no way to install RabbitMQ here (neither apt-get as root or by sudo, nor a Docker engine that" \
            "runs). Install it (https://www.rabbitmq.com/docs/download) so that rabbitmq-server is on the PATH, or" \
            "start Docker, or set CHATBOT_AMQP_URL to a broker of yours"
    fi
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
apt_get() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@"; }
installed_packages() { dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | awk '$1 ~ /^.i/ { print $2 }' | sort -u; }

install_packages() {
    mkdir -p "$base"
    local log=$base/install.log before
    before=$(installed_packages)
    say "installing the package rabbitmq-server by apt-get (half a minute or so; log: $log)"
    deny_service
    trap allow_service EXIT
    { apt_get update && apt_get install --no-install-recommends rabbitmq-server; } >"$log" 2>&1 </dev/null || {
        show_log "$log"
        fail 69 "apt-get couldn't install rabbitmq-server"
    }
    allow_service
    trap - EXIT
    comm -13 <(echo "$before") <(installed_packages) >"$base/installed-packages"
    # The nodes here are started by hand; the system's own would take port 5672 at the next boot.
    if [ -d /run/systemd/system ]; then as_root systemctl disable rabbitmq-server >>"$log" 2>&1 || true; fi
    local_available || fail 69 "rabbitmq-server is installed, but isn't where it was expected; see $log"
    say "installed rabbitmq-server; 'scripts/broker remove --uninstall' takes it away again"
}

# While the package is being installed, Debian's policy-rc.d keeps it from starting its system service. An existing
# one is left alone, and ours stops to have an effect with this process, should it be left behind.
policy=/usr/sbin/policy-rc.d
deny_service() {
    [ ! -e "$policy" ] || return 0
    as_root tee "$policy" >/dev/null <<-POLICY
	#!/bin/sh
	# Written by chatbot-worker's scripts/broker while it installs RabbitMQ or Redis; can be deleted.
	[ -d /proc/$$ ] || exit 0
	case " \$* " in *rabbitmq*|*epmd*|*redis*) exit 101;; esac
	exit 0
	POLICY
    as_root chmod 755 "$policy"
}

allow_service() {
    if grep -qs "chatbot-worker's scripts/broker" "$policy"; then as_root rm -f "$policy"; fi
}

install_image() {
    mkdir -p "$base"
    say "pulling the Docker image $docker_image"
    docker pull "$docker_image" || fail 69 "Docker couldn't pull $docker_image; its message is above"
    echo "$docker_image" >"$base/installed-image"
    say "pulled $docker_image; 'scripts/broker remove --uninstall' takes it away again"
}

# Takes away what `install` brought, and nothing that something else has come to need since.
uninstall() {
    local list=$base/installed-packages others packages
    rm -rf --one-file-system "$releases"
    if [ -s "$list" ]; then
        mapfile -t packages <"$list"
        others=$(apt-get -s purge "${packages[@]}" | awk '/^(Remv|Purg) / { print $2 }' | sort -u | comm -23 - "$list")
        if [ -n "$others" ]; then
            say "leaving RabbitMQ's dependencies installed: they are needed by ${others//$'\n'/, }"
            packages=(rabbitmq-server)
        fi
        say "removing the packages ${packages[*]}"
        apt_get purge "${packages[@]}" >"$base/install.log" 2>&1 </dev/null || {
            show_log "$base/install.log"
            fail 69 "apt-get couldn't remove them"
        }
        rm -f "$list"
    elif [ -s "$base/installed-image" ]; then
        say "removing the Docker image $docker_image"
        docker image rm "$docker_image" >/dev/null || fail 69 "Docker couldn't remove it; its message is above"
        rm -f "$base/installed-image"
    else
        say "nothing to uninstall: 'scripts/broker install' didn't install RabbitMQ here"
    fi
    rm -f "$base/install.log"
}
