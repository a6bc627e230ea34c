# shellcheck shell=bash disable=SC2154
# A node run by the machine's own rabbitmq-server. Sourced by scripts/broker, whose variables name, dir, id, port,
# dist_port and epmd_port describe the node. Each node has its own epmd, cookie and folders, so that it neither needs
# nor touches those of the user, of the system's RabbitMQ or of another node. Every process of a node carries the
# argument `-chatbot_broker ID`, by which it is found again: no pid file that could name a stranger after a reboot.

# The folder of the programs themselves; Debian's /usr/sbin holds wrappers, which switch to the user rabbitmq.
local_programs() {
    local folder
    for folder in /usr/lib/rabbitmq/bin "$(dirname "$(command -v rabbitmq-server || echo /nowhere/x)")"; do
        if [ -x "$folder/rabbitmq-server" ]; then
            echo "$folder"
            return
        fi
    done
    return 1
}

local_available() { local_programs >/dev/null; }
local_describe() { echo "by $(release_folder)$(node_programs)/rabbitmq-server, data and logs in $dir"; }

# Where the node's own programs are, inside its root folder.
node_programs() { if [ -n "$release" ]; then echo /usr/lib/rabbitmq/bin; else local_programs; fi; }

local_prepare() {
    if [ -n "$release" ]; then
        make_release
    else
        local_available || fail 69 "node '$name' needs rabbitmq-server, which is gone; 'scripts/broker install' installs it"
    fi
    if [ -n "$cluster" ]; then # on a network of its own, where the nodes have to agree
        dist_port=25672 epmd_port=4369
        return
    fi
    dist_port=$port epmd_port=$port
    while [ "$dist_port" = "$port" ] || [ "$dist_port" = "$tls_port" ]; do dist_port=$(free_port); done
    while [[ $epmd_port = "$port" || $epmd_port = "$tls_port" || $epmd_port = "$dist_port" ]]; do epmd_port=$(free_port); done
}

local_launch() {
    mkdir -p "$dir/data" "$dir/log" "$dir/conf.d"
    if [ -n "$cluster" ]; then
        [ -f "$dir/.erlang.cookie" ] || (umask 377 && printf %s "$cluster_id" >"$dir/.erlang.cookie")
        echo "[{rabbit, [{tcp_listen_options, [{backlog, 128}, {nodelay, true}, {linger, {true, 0}}," \
            "{exit_on_close, false}, {netns, \"$dir/machine-network\"}]}]}]." >"$dir/advanced.config"
        connect_cables
    else
        [ -f "$dir/.erlang.cookie" ] || (umask 377 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$dir/.erlang.cookie")
        echo '[].' >"$dir/advanced.config"
    fi
    hosts >"$dir/hosts"
    : >"$dir/rabbitmq-env.conf"
    echo '[].' >"$dir/enabled_plugins"
    cat >"$dir/rabbitmq.conf" <<-CONF
	# Written by scripts/broker at every start.
	listeners.tcp.1 = 127.0.0.1:$port
	log.console = false
	log.file = rabbit.log
	CONF
    cluster_configuration >>"$dir/rabbitmq.conf"
    [ -z "$tls_port" ] || tls_configuration
    # A process group of its own, so that the terminal's Ctrl-C reaches the script and not the broker.
    set -m
    {
        raise_open_files
        local_environment nohup "$(node_programs)/rabbitmq-server" -chatbot_broker "$id"
    } </dev/null >"$dir/log/console.log" 2>&1 9>&- &
    launcher=$!
    set +m
    disown
}

# RabbitMQ before 4.0 sets three file handles aside for each quorum queue. With the 1,024 of most shells, a node with some
# 300 queues would accept no connection any more, and say nothing. The node is started by its own program and not by
# Debian's wrapper, whose `su` would set the limit anew; so it has this one.
raise_open_files() {
    local limit
    for limit in 65536 "$(ulimit -Hn)"; do
        ulimit -n "$limit" 2>/dev/null && return
    done
    return 0
}

tls_configuration() {
    echo '[rabbitmq_auth_mechanism_ssl].' >"$dir/enabled_plugins"
    cat >>"$dir/rabbitmq.conf" <<-CONF
	listeners.ssl.1 = 127.0.0.1:$tls_port
	ssl_options.cacertfile = $dir/tls/ca.pem
	ssl_options.certfile = $dir/tls/server.pem
	ssl_options.keyfile = $dir/tls/server.key
	ssl_options.verify = verify_peer
	ssl_options.fail_if_no_peer_cert = false
	auth_mechanisms.1 = PLAIN
	auth_mechanisms.2 = AMQPLAIN
	auth_mechanisms.3 = EXTERNAL
	ssl_cert_login_from = common_name
	CONF
}

# local_environment COMMAND…: becomes the command, in the node's environment and no other.
local_environment() {
    local programs loopback=()
    programs=$(node_programs)
    [ -n "$cluster" ] || loopback=(
        ERL_EPMD_ADDRESS=127.0.0.1
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}'
        RABBITMQ_CTL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}'
    )
    enter env -i PATH="$programs:$PATH:/usr/sbin:/usr/bin:/sbin:/bin" HOME="$dir" LANG=C.UTF-8 LC_ALL=C.UTF-8 \
        ERL_EPMD_PORT="$epmd_port" ERL_CRASH_DUMP="$dir/log/erl_crash.dump" \
        RABBITMQ_NODENAME="$name@$(node_host)" RABBITMQ_DIST_PORT="$dist_port" \
        RABBITMQ_CONF_ENV_FILE="$dir/rabbitmq-env.conf" RABBITMQ_CONFIG_FILE="$dir/rabbitmq.conf" \
        RABBITMQ_CONFIG_FILES="$dir/conf.d" RABBITMQ_ADVANCED_CONFIG_FILE="$dir/advanced.config" \
        RABBITMQ_ENABLED_PLUGINS_FILE="$dir/enabled_plugins" RABBITMQ_MNESIA_BASE="$dir/data" \
        RABBITMQ_LOG_BASE="$dir/log" RABBITMQ_PID_FILE="$dir/log/pid" "${loopback[@]}" "$@"
}

# The node's processes, one a line: pid and program.
local_processes() {
    local file program
    if [ -r /proc/self/cmdline ]; then
        for file in $(grep -lsF -e "$id" /proc/[0-9]*/cmdline || true); do
            if IFS= read -r -d '' program 2>/dev/null <"$file"; then echo "${file//[^0-9]/} ${program##*/}"; fi
        done
    else
        ps -axww -o pid=,command= | awk -v id="$id" 'index($0, id) && !/awk/ { n = split($2, path, "/"); print $1, path[n] }'
    fi
}

# The launcher carries the argument only from the moment when it has become the program.
local_running() { { [ -n "${launcher:-}" ] && kill -0 "$launcher" 2>/dev/null; } || [ -n "$(local_processes)" ]; }
local_pid() { local_processes | awk '$2 ~ /^beam/ { print $1; exit }'; }

# Orderly, and if that takes too long, not.
local_stop() {
    local deadline=$((SECONDS + stop_deadline)) beam
    beam=$(local_pid)
    if [ -n "$beam" ]; then
        kill -CONT "$beam" 2>/dev/null || true # in case a test has paused it
        kill -TERM "$beam" 2>/dev/null || true
        while local_running && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.2; done
    fi
    local_kill
}

local_kill() {
    local pid _
    while local_running; do
        for pid in $(local_processes | cut -d' ' -f1); do kill -KILL "$pid" 2>/dev/null || true; done
        sleep 0.1
    done
    # epmd is a daemon of its own that outlives its node. It ends by itself only when it is told to.
    for _ in {1..20}; do
        (local_environment epmd -kill) >/dev/null 2>&1 || true
        listening "$epmd_port" || break
        sleep 0.1
    done
}

local_remove() {
    local_stop
    remove_cables
}
local_ctl() { (local_environment rabbitmqctl "$@"); }

local_log() {
    show_log "$dir/log/console.log" "${1:-15}"
    show_log "$dir/log/rabbit.log" "${1:-15}"
}
