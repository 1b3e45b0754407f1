# A Docker engine of our own: its data, sockets and processes are apart from any other's, and it leaves the network alone.
# shellcheck shell=bash

dockerd_pid=

# engine_for STORE: the image store of containerd needs version 24 or later; install.sh builds one where the system's is older.
engine_for() {
  if [[ $1 == containerd && -x $TOOLS/engine/dockerd ]]; then
    echo "$TOOLS/engine/dockerd"
  else
    command -v dockerd
  fi
}

# start_dockerd STORE: graphdriver or containerd
start_dockerd() {
  local dir=$WORK/$1 containerd=false
  [[ $1 == containerd ]] && containerd=true
  mkdir -p "$dir/cli"
  echo "{\"features\": {\"containerd-snapshotter\": $containerd}}" >"$dir/daemon.json"
  "$(engine_for "$1")" --config-file "$dir/daemon.json" --data-root "$dir/data" --exec-root "$dir/exec" \
    --pidfile "$dir/pid" --host "unix://$dir/sock" --bridge none --iptables=false --ip6tables=false \
    --ip-forward=false --userland-proxy=false >"$dir/log" 2>&1 &
  dockerd_pid=$!
  export DOCKER_HOST=unix://$dir/sock DOCKER_CONFIG=$dir/cli
}

up_or_dead() { docker version || ! kill -0 "$dockerd_pid"; }

# engine_up STORE: it answers, and it uses the store that was asked for
engine_up() {
  poll 60 up_or_dead
  docker version || { tail -n 20 "$WORK/$1/log"; return 1; }
  local store=graphdriver
  if [[ $(docker info --format '{{.DriverStatus}}') == *io.containerd.snapshotter* ]]; then store=containerd; fi
  same "image store" "$store" "$1"
}

stop_dockerd() {
  local pid=$dockerd_pid
  [[ -n $pid ]] || return 0
  dockerd_pid=
  kill "$pid" 2>/dev/null || true
  wait "$pid" || true
}
