#!/usr/bin/env bash
# compose.sh: brings up the cluster of deploy/docker-compose.yml, pushes and pulls with docker, podman and crane, breaks what can break while they do, and
# takes everything down again. One line for each step; the first that fails ends it. See README.md beside this file.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$root/test/e2e/engine.sh"
. "$root/test/e2e/rig.sh"
. "$root/test/e2e/traffic.sh"
. "$root/test/e2e/clients.sh"

export REGISTRYD_PORT=${REGISTRYD_PORT:-5000} REGISTRYD_IMAGE=registryd:e2e REGISTRYD_VERSION=e2e
REGISTRY=localhost:$REGISTRYD_PORT
project=registryd-e2e

compose() {
  docker compose -p "$project" -f "$root/deploy/docker-compose.yml" --env-file "$root/deploy/compose/events.env" "$@"
}

pulled() { sed -n 's/^ *image: \(&[a-z]* \)\{0,1\}\([a-z].*\)$/\2/p' "$root/deploy/docker-compose.yml" | grep -vE '^(prom|grafana)/' | sort -u; }

get_images() {
  local images
  mapfile -t images < <(pulled)
  if has_rig; then
    stand_ins "${images[@]}"
  else
    going "${images[@]}"
    compose pull -q --ignore-buildable
  fi
}

build_image() {
  local size limit=$((40 * 1000 * 1000))
  make -C "$root" image IMAGE="$REGISTRYD_IMAGE" VERSION="$REGISTRYD_VERSION"
  size=$(docker image inspect --format '{{.Size}}' "$REGISTRYD_IMAGE")
  echo "$((size / 1000000)) MB" >"$NOTE"
  ((size < limit)) || { echo "the image has $size bytes, more than $limit"; return 1; }
}

nothing_left_over() {
  same containers "$(compose ps -aq)" ""
  same volumes "$(docker volume ls -q --filter "label=com.docker.compose.project=$project")" ""
  same networks "$(docker network ls -q --filter "label=com.docker.compose.project=$project")" ""
}

up() { compose up -d --wait --wait-timeout 180; }
down() { compose --profile '*' down "$@"; }
take_down() { down -v --remove-orphans && nothing_left_over; }
remove_image() { if docker image inspect "$REGISTRYD_IMAGE" >/dev/null 2>&1; then docker rmi -f "$REGISTRYD_IMAGE"; fi; }

# alone: the image without a cluster keeps its data in a volume, as a user that is not root on a file system that is read-only
alone() {
  local image
  docker run -d --name "$project-alone" --read-only --cap-drop ALL -p 127.0.0.1::5000 -v "$project-alone:/var/lib/registryd" "$REGISTRYD_IMAGE"
  poll 60 is_well "$project-alone"
  rootfs "$WORK/alone.tar" alone
  image=$(docker port "$project-alone" 5000 | head -n 1)/alone:v1
  crane append --insecure --oci-empty-base -f "$WORK/alone.tar" -t "$image"
  docker restart "$project-alone"
  poll 60 is_well "$project-alone"
  image=$(docker port "$project-alone" 5000 | head -n 1)/alone:v1
  crane validate --insecure --remote "$image"
  remove_alone
}

remove_alone() {
  docker rm -f "$project-alone"
  docker volume rm -f "$project-alone"
}

is_well() { [[ $(docker inspect --format '{{.State.Health.Status}}' "$1") == healthy ]]; }

all_nodes_ready() {
  local node
  for node in 1 2 3; do compose exec -T registryd-$node registryd health; done
  compose exec -T registryd-1 registryd cluster status
}

is_healthy() { is_well "$(compose ps -q "$1")"; }

# lose_node NAME: killed under load while a large layer is on its way, and back
lose_node() {
  push_big "killed-$1" &
  traffic_flows 3
  compose kill "$1"
  traffic_flows 5
  compose start "$1"
  poll 90 is_healthy "$1"
  wait $!
  pull_big_with_crane "killed-$1"
}

lose_redis() {
  local before
  before=$(acknowledged)
  compose stop --timeout 0 redis
  poll 40 passed $((SECONDS + 30))
  echo "$(($(acknowledged) - before)) pushes acknowledged without it" >"$NOTE"
  compose start redis
  poll 60 is_healthy redis
  traffic_flows 5
}
passed() { ((SECONDS >= $1)); }

lose_node_then_store() {
  compose kill registryd-2
  traffic_flows 3
  compose restart --timeout 10 minio
  poll 60 is_healthy minio
  traffic_flows 5
  compose start registryd-2
  poll 90 is_healthy registryd-2
}

store_is_whole() { compose exec -T registryd-1 registryd fsck | tail -n 1 >"$NOTE"; }

again() { down && up && images_are_there; }

step "tools" install_tools
need docker podman crane jq curl
use_engine
step "Docker engine" engine_answers
at_end remove_images
step "images" get_images
at_end remove_image
at_end take_down
step "docker compose up, which builds the image" up
step "three nodes" all_nodes_ready
step "make image" build_image
at_end remove_alone
step "the image alone" alone
step "docker pushes and pulls" with_docker
step "podman pushes and pulls" with_podman
step "crane pushes and pulls, several architectures" with_crane
step "100 MB layers" with_big_layers
start_traffic crane crane docker podman
step "four clients push from here on" traffic_flows 8
for node in 1 2 3; do step "node $node is killed and comes back" lose_node "registryd-$node"; done
step "Redis is away for 30 s" lose_redis
step "a node is killed, then MinIO restarted" lose_node_then_store
stop_traffic
step "every push succeeded in the end" traffic_ended
step "every acknowledged image is there" images_are_there
step "every acknowledged push has its event at the sink" events_are_there
step "fsck" store_is_whole
step "down and up again keeps all of it" again
step "down" take_down
