# Starts and stops the registry under test, for run.sh.
# shellcheck shell=bash

server_pid=

free_port() {
  local port
  while port=$((20000 + RANDOM % 12000)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

# build_server SOURCES FILE
build_server() {
  (cd "$1" && go build -o "$2" ./cmd/registryd)
}

answers() { curl -fsS "http://$REGISTRY/v2/"; }

answers_or_died() { answers || ! kill -0 "$server_pid"; }

# start_server BINARY DATA LOG: sets REGISTRY. A port that was taken in the meantime costs another attempt.
start_server() {
  local attempt
  export REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=$2 REGISTRY_HTTP_DEBUG_ADDR= REGISTRY_COMPATIBILITY_SCHEMA1_ENABLED=true
  for attempt in 1 2 3; do
    REGISTRY=127.0.0.1:$(free_port)
    REGISTRY_HTTP_ADDR=$REGISTRY "$1" serve >>"$3" 2>&1 &
    server_pid=$!
    if poll 15 answers_or_died && answers >/dev/null 2>&1; then return; fi
    stop_server || true
    echo "attempt $attempt: no answer from $REGISTRY"
  done
  tail -n 20 "$3"
  return 1
}

# stop_server: the status is the server's own.
stop_server() {
  local pid=$server_pid
  [[ -n $pid ]] || return 0
  server_pid=
  kill "$pid" 2>/dev/null || true
  wait "$pid"
}
