# shellcheck shell=bash
# A RabbitMQ node for one run of a script, removed with all others of that run at its end, however that comes.
# Sourced by scripts/test, scripts/bench and scripts/chaos, after lib/common.bash; root is the project's folder, and
# target is where cargo builds.

# own_broker NAME [OPTION…]: installs RabbitMQ where it is missing, and starts a node in a folder (BROKER_DIR) of this
# run's own. OPTIONs are those of `scripts/broker start`. Exports for the tests
#   TEST_AMQP_URL   the node
#   TEST_BROKER     scripts/broker, to start further nodes in that folder
own_broker() {
    mkdir -p "$target" && sweep || return
    "$root/scripts/broker" install || return # recorded in the user's own folder, not in this run's
    BROKER_DIR=$(mktemp -d "$target/own-broker.XXXXXX") && export BROKER_DIR || return
    echo $$ >"$BROKER_DIR/owner"
    trap finish EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    "$root/scripts/broker" start "$@" || return
    TEST_AMQP_URL=$("$root/scripts/broker" url "$1")
    TEST_BROKER=$root/scripts/broker
    export TEST_AMQP_URL TEST_BROKER
}

# remove_brokers FOLDER: the nodes of a run, and its folder.
remove_brokers() { BROKER_DIR=$1 "$root/scripts/broker" remove --all >/dev/null && rm -rf "$1"; }

# Nodes that an earlier run couldn't remove because it was killed.
sweep() {
    local folder
    for folder in "$target"/own-broker.*; do
        [ -d "$folder" ] || continue
        kill -0 "$(cat "$folder/owner" 2>/dev/null || echo 0)" 2>/dev/null || remove_brokers "$folder"
    done
}

# shellcheck disable=SC2317 # called at the end, by the trap
finish() {
    local code=$?
    trap - EXIT
    case ${BROKER_DIR:-} in
    "$target"/own-broker.*) remove_brokers "$BROKER_DIR" || true ;;
    esac
    exit "$code"
}
