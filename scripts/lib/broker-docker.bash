# shellcheck shell=bash disable=SC2154
# A node run as a Docker container, for machines without a rabbitmq-server. Sourced by scripts/broker, whose
# variables name, id and port describe the node. The container is made anew at each start (its port may have
# changed); the data are in a volume of the same name.

docker_image=rabbitmq:4-management

docker_available() { has docker && docker info >/dev/null 2>&1; }
docker_describe() { echo "as the Docker container $(docker_name) of $docker_image"; }
docker_name() { echo "chatbot-broker-$name-$id"; }

docker_prepare() {
    docker_available || fail 69 "node '$name' is a Docker container, and Docker doesn't answer; start it, or see 'docker info'"
}

docker_launch() {
    docker rm --force "$(docker_name)" >/dev/null 2>&1 || true
    # A constant host name: RabbitMQ's data belong to the node's name, which holds the host's.
    docker run --detach --name "$(docker_name)" --hostname "$name" --publish "127.0.0.1:$port:5672" \
        --ulimit nofile=65536:65536 --volume "$(docker_name):/var/lib/rabbitmq" "$docker_image" >/dev/null ||
        fail 69 "Docker couldn't start $docker_image; its message is above"
}

docker_running() { [ "$(docker inspect --format '{{.State.Running}}' "$(docker_name)" 2>/dev/null)" = true ]; }
docker_pid() { docker inspect --format '{{.State.Pid}}' "$(docker_name)"; }
docker_stop() { docker stop --time "$stop_deadline" "$(docker_name)" >/dev/null; }
docker_kill() { docker kill "$(docker_name)" >/dev/null; }
docker_ctl() { docker exec "$(docker_name)" rabbitmqctl "$@"; }
docker_log() { docker logs --tail "${1:-20}" "$(docker_name)" 2>&1 | sed 's/^/    /' >&2; }

docker_remove() {
    docker_prepare
    docker rm --force "$(docker_name)" >/dev/null 2>&1 || true
    docker volume rm --force "$(docker_name)" >/dev/null
}
