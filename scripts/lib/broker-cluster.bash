# shellcheck shell=bash disable=SC2154
# Clusters of three nodes. Each node has a network namespace of its own, with a cable into the cluster's switch, which
# is a namespace as well: pulling a cable cuts a node off from the others in silence, while clients still reach it, as
# it listens for them on the machine's loopback. Needs root and iproute2. Sourced by scripts/broker, whose variables are
# id (the node's), cluster (the cluster's name; empty for a single node), cluster_id, and address (the node's, inside).

switch() { echo "chatbot-$cluster_id"; }
namespace() { echo "chatbot-$id"; }
cable() { echo "node${address##*.}"; }

# The machine's name, for Erlang: the nodes of a cluster are on 'machines' of their own.
node_host() { if [ -n "$cluster" ]; then echo "$name"; else echo localhost; fi; }

start_cluster() {
    local cluster=$1 wanted_version=$2 number name cluster_id port_option=0
    has ip && has nsenter && [ "$(id -u)" = 0 ] || fail 69 "a cluster needs root, iproute2 and util-linux"
    cluster_id=$(od -An -N5 -tx1 /dev/urandom | tr -d ' \n')
    if is_known "$cluster-1"; then fail 69 "there is a cluster '$cluster' already; 'scripts/broker remove $cluster-1' and so on"; fi
    # They wait for each other, so all have to be on their way before one is ready.
    local starting=()
    [ -z "$wanted_version" ] || choose_release "$wanted_version"
    for number in 1 2 3; do
        (
            name=$cluster-$number address=10.93.0.$number
            start 0 "$wanted_version" ''
        ) &
        starting+=($!)
    done
    for number in "${starting[@]}"; do wait "$number" || fail 69 "the cluster '$cluster' isn't complete"; done
    name=$cluster-1
    load "$name"
    local_ctl --quiet await_online_nodes 3 --timeout 60 >/dev/null || fail 69 "the nodes of '$cluster' are no cluster"
    say "cluster '$cluster' is up: $cluster-1, $cluster-2, $cluster-3"
}

# connect_cables: makes the node's namespace and its cable into the switch, where they are missing.
connect_cables() {
    [ -n "$cluster" ] || return 0
    local switch namespace cable
    switch=$(switch) namespace=$(namespace) cable=$(cable)
    exec 7>"$base/$cluster.lock" # the nodes of a cluster start at the same time
    flock 7
    if ! ip netns list | grep -qw "$switch"; then
        ip netns add "$switch"
        ip -n "$switch" link add name bridge type bridge forward_delay 0
        ip -n "$switch" link set bridge up
    fi
    if ! ip netns list | grep -qw "$namespace"; then
        ip netns add "$namespace"
        ip -n "$namespace" link set lo up
        ip -n "$switch" link add "$cable" type veth peer name eth0 netns "$namespace"
        ip -n "$switch" link set "$cable" master bridge up
        ip -n "$namespace" addr add "$address/24" dev eth0
        ip -n "$namespace" link set eth0 up
    fi
    exec 7>&-
}

partition() {
    load "$name"
    [ -n "$cluster" ] || fail 64 "node '$name' is in no cluster"
    ip -n "$(switch)" link set "$(cable)" nomaster
    say "node '$name' is cut off from the other nodes; 'scripts/broker heal $name' ends it"
}

heal() {
    load "$name"
    [ -n "$cluster" ] || fail 64 "node '$name' is in no cluster"
    ip -n "$(switch)" link set "$(cable)" master bridge up
    say "node '$name' reaches the other nodes again"
}

# A namespace goes with its node, the switch with the last of them.
remove_cables() {
    [ -n "$cluster" ] || return 0
    ip -n "$(switch)" link delete "$(cable)" 2>/dev/null || true # with the namespace it would go only some time later
    ip netns delete "$(namespace)" 2>/dev/null || true
    if [ -z "$(ip -n "$(switch)" -oneline link show type veth 2>/dev/null)" ]; then
        ip netns delete "$(switch)" 2>/dev/null || true
        rm -f "$base/$cluster.lock"
    fi
}

# What a node of a cluster has in its rabbitmq.conf.
cluster_configuration() {
    [ -n "$cluster" ] || return 0
    local number
    echo 'cluster_formation.peer_discovery_backend = classic_config'
    for number in 1 2 3; do
        echo "cluster_formation.classic_config.nodes.$number = $cluster-$number@$cluster-$number"
    done
    echo 'cluster_partition_handling = pause_minority'
    echo 'net_ticktime = 15'
}

# The node's /etc/hosts.
hosts() {
    local number
    echo '127.0.0.1 localhost'
    [ -n "$cluster" ] || return 0
    for number in 1 2 3; do echo "10.93.0.$number $cluster-$number"; done
}

# enter COMMAND…: becomes the command, in the node's network and in the root folder of its release.
enter() {
    local root
    root=$(release_folder)
    if [ -z "$root$cluster" ]; then exec "$@"; fi
    exec unshare --mount bash -c '
        root=$1 dir=$2 namespace=$3
        shift 3
        if [ -n "$namespace" ]; then # through this file, the node listens for clients on the loopback of the machine
            : >>"$dir/machine-network"
            mount --bind /proc/self/ns/net "$dir/machine-network"
        fi
        if [ -n "$root" ]; then
            mkdir -p "$root$dir"
            mount --rbind /proc "$root/proc"
            mount --rbind /dev "$root/dev"
            mount --rbind "$dir" "$root$dir"
        fi
        : >>"$root/etc/hosts"
        mount --bind "$dir/hosts" "$root/etc/hosts"
        if [ -n "$namespace" ]; then
            exec nsenter --net="/run/netns/$namespace" chroot "${root:-/}" "$@"
        fi
        exec chroot "${root:-/}" "$@"
    ' enter "$root" "$dir" "${cluster:+$(namespace)}" "$@"
}
