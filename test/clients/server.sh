# Starts and stops the registry under test, for run.sh: one node over a directory, or several that share a bucket of MinIO and a Redis.
# shellcheck shell=bash

nodes=()     # process ids
others=()    # those of MinIO and Redis
addresses=() # of the nodes

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

# start_server BINARY DATA LOG NODES: sets REGISTRY and OTHER_REGISTRY, the first node and the last.
start_server() {
  local node
  export REGISTRY_HTTP_DEBUG_ADDR='' REGISTRY_COMPATIBILITY_SCHEMA1_ENABLED=true
  if (($4 == 1)); then
    export REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=$2
  else
    share "$2"
  fi
  for ((node = 1; node <= $4; node++)); do start_node "$1" "$3"; done
  export REGISTRY=${addresses[0]} OTHER_REGISTRY=${addresses[-1]}
}

# share DATA: what nodes have in common, started here and told of by the environment.
share() {
  local data=$1 program
  for program in minio redis-server; do
    command -v "$program" >/dev/null || { echo "there is no $program: run make tools" >&2; exit 2; }
  done
  mkdir -p "$data/minio/registry" "$data/redis" # a folder of MinIO's is a bucket
  export MINIO_ROOT_USER=registryd MINIO_ROOT_PASSWORD=registryd-secret MINIO_BROWSER=off MINIO_UPDATE=off MINIO_CALLHOME_ENABLE=off
  started others "$data/minio.log" minio_answers minio server --quiet --address '{address}' --console-address 127.0.0.1:0 "$data/minio"
  export REGISTRY_STORAGE_S3_BUCKET=registry REGISTRY_STORAGE_S3_REGION=us-east-1 REGISTRY_STORAGE_S3_REGIONENDPOINT=http://$address
  export REGISTRY_STORAGE_S3_FORCEPATHSTYLE=true REGISTRY_STORAGE_S3_ACCESSKEY=$MINIO_ROOT_USER REGISTRY_STORAGE_S3_SECRETKEY=$MINIO_ROOT_PASSWORD
  started others "$data/redis.log" listens redis-server --bind 127.0.0.1 --port '{port}' --dir "$data/redis" --save '' --appendonly no
  export REGISTRY_REDIS_ADDRS=$address REGISTRY_HTTP_SECRET="a secret that the nodes share"
}

# start_node BINARY LOG
start_node() {
  started nodes "$2" registry_answers env 'REGISTRY_HTTP_ADDR={address}' "$1" serve
  addresses+=("$address")
}

registry_answers() { curl -fsS "http://$address/v2/"; }
minio_answers() { curl -fsS "http://$address/minio/health/ready"; }
listens() { (exec 3<>"/dev/tcp/${address/://}"); }

# started LIST LOG ANSWERS COMMAND...: runs a command, in which {address} and {port} stand for a free one, and adds its process id to the list. It sets
# address. A port that was taken in the meantime costs another attempt.
started() {
  local -n list=$1
  local log=$2 answers=$3 attempt pid command
  shift 3
  for attempt in 1 2 3; do
    address=127.0.0.1:$(free_port)
    command=("${@//\{address\}/$address}")
    "${command[@]//\{port\}/${address#*:}}" >>"$log" 2>&1 &
    pid=$!
    list+=("$pid")
    if poll 15 answers_or_died "$answers" "$pid" && "$answers" >/dev/null 2>&1; then return; fi
    kill "$pid" 2>/dev/null || true
    wait "$pid" || true
    unset 'list[-1]'
    echo "attempt $attempt: no answer from $1 at $address"
  done
  tail -n 20 "$log"
  return 1
}

answers_or_died() { "$1" || ! kill -0 "$2"; }

# stop_server: the status is that of the nodes. What they share runs on.
stop_server() {
  local pid status=0
  for pid in "${nodes[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${nodes[@]}"; do wait "$pid" || status=$?; done
  nodes=()
  return "$status"
}

# stop_others ends what the nodes shared.
stop_others() {
  local pid
  for pid in "${others[@]}"; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" || true
  done
  others=()
}
