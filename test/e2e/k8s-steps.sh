# The steps of k8s.sh.
# shellcheck shell=bash

ACKNOWLEDGED=$WORK/acknowledged EVENTS=$WORK/events FAILED=$WORK/failed STOP=$WORK/stop
export ACKNOWLEDGED EVENTS FAILED STOP
touch "$ACKNOWLEDGED" "$EVENTS" "$FAILED"
clients=()

k() { kubectl -n registryd "$@"; }

engine_up() { poll 60 docker version >/dev/null || { tail -n 20 "$WORK/dockerd.log"; return 1; }; }

make_namespace() {
  kubectl apply -f "$root/deploy/k8s/overlays/local/namespace.yaml"
  poll 30 refused_pod # once the namespace has its service account
}

# refused_pod: a pod that may be root is not taken, so that the level is in force
refused_pod() {
  local said
  if said=$(k run root --image=busybox:latest --dry-run=server 2>&1); then echo "the namespace takes any pod"; return 1; fi
  [[ $said == *restricted* ]] || { echo "$said"; return 1; }
}

# server_takes DIR: and of production, what it has as comments too, each choice alone and those that go together
server_takes() {
  taken "$root/$1"
  [[ $1 == */production ]] || return 0
  chosen gateway-api HTTPRoute
  chosen ingress-nginx
  chosen cert-manager Certificate
  chosen monitoring monitoring.coreos.com
  chosen '' NetworkPolicy
  chosen '' Deployment
  chosen 'gateway-api|monitoring' 'HTTPRoute|monitoring.coreos.com|NetworkPolicy'
  chosen 'ingress-nginx|cert-manager|monitoring' 'Certificate|monitoring.coreos.com|NetworkPolicy'
}

taken() { kubectl kustomize "$1" | k apply --dry-run=server --validate=strict --warnings-as-errors -f -; }

# chosen COMPONENTS [PATCHES]: the server takes a copy of production with these lines in force, and with another name, which stands in all of it
chosen() {
  local copy overlay file line
  copy=$(mktemp -d "$WORK/chosen.XXXXXX")
  overlay=$copy/k8s/overlays/production file=$overlay/kustomization.yaml
  cp -r "$root/deploy/k8s" "$copy/k8s"
  sed -i 's#=registry.example.com#=name.test#; s#newName: registry.example.com/#newName: name.test/#' "$file"
  [[ -z $1 ]] || sed -E -i "s#^. (components:)#\1#; s,^# (  - .*/components/($1) ),\1," "$file"
  [[ -z ${2:-} ]] || sed -E -i "/^  # - target: .*($2)/,/^\$/ s,^  # ,  ," "$file"
  for line in $(tr '|' ' ' <<<"$1"); do grep -q "^  - .*/components/$line " "$file" || { echo "there is no $line to choose"; return 1; }; done
  for line in $(tr '|' ' ' <<<"${2:-}"); do grep -q "^  - target: .*$line" "$file" || { echo "there is no patch of $line to choose"; return 1; }; done
  if kubectl kustomize "$overlay" | grep -F registry.example.com; then echo "the name was not set everywhere, with $*"; return 1; fi
  taken "$overlay"
}

apply_local() {
  kubectl apply -k "$root/deploy/k8s/overlays/local" --warnings-as-errors
  poll 60 open_volumes
  k rollout status statefulset/minio --timeout=180s
  k rollout status deployment/registryd --timeout=180s
}

# open_volumes: those of the rig belong to root, and it does not know of fsGroup
open_volumes() { chmod 777 /tmp/hostpath_pv/*/ 2>/dev/null; }

# tell_sink: which is outside of the cluster, at a port that the NetworkPolicy does not know of
tell_sink() {
  k patch networkpolicy registryd --type json \
    --patch '[{"op": "add", "path": "/spec/egress/-", "value": {"to": [{"ipBlock": {"cidr": "10.97.0.1/32"}}], "ports": [{"port": 8088}]}}]'
  k set env deployment/registryd 'REGISTRY_NOTIFICATIONS_ENDPOINTS=[{name: sink, url: "http://10.97.0.1:8088/", allowprivate: true}]'
  all_ready
}

# all_ready: as many pods as there should be, and none that is leaving
all_ready() {
  k rollout status deployment/registryd --timeout=300s
  poll 120 none_leaves
}
none_leaves() { k get pods -l app.kubernetes.io/name=registryd -o json | jq -e 'all(.items[]; .metadata.deletionTimestamp == null)' >/dev/null; }

pods() { k get pods -l app.kubernetes.io/name=registryd -o json | jq -r ".items[] | select(.metadata.deletionTimestamp == null) | $1"; }

pods_are_spread() {
  same "nodes with a pod" "$(pods .spec.nodeName | sort -u | wc -l)" 3
  poll 30 crane catalog --insecure "$REGISTRY"
}

# start_load: raw HTTP for a minute at least, docker and crane
start_load() {
  local client
  "$WORK/k8s-load" raw "$REGISTRY" "$ACKNOWLEDGED" 60 >"$WORK/raw.log" 2>&1 &
  raw=$!
  at_end stop_process $raw
  for client in docker crane; do
    mkdir -p "$WORK/$client-1"
    CLIENT=$client REPO=$REGISTRY/clients/$client WORK=$WORK/$client-1 bash "$root/test/e2e/k8s-client.sh" >"$WORK/$client.log" 2>&1 &
    clients+=($!)
    at_end stop_process $!
  done
}

stop_load() {
  local pid
  kill -TERM "$raw" || true
  touch "$STOP"
  for pid in "${clients[@]}"; do wait "$pid" || echo "a client ended with $?" >>"$FAILED"; done
  wait "$raw" || touch "$WORK/raw.failed"
}

rollout_restart() {
  k rollout restart deployment/registryd
  all_ready
}

# drain_one: a node with a pod of ours, and without the only MinIO or Redis
drain_one() {
  local node
  node=$(comm -23 <(pods .spec.nodeName | sort -u) <(k get pods -l 'app.kubernetes.io/name in (minio, redis)' -o json | jq -r '.items[].spec.nodeName' | sort -u) | head -n 1)
  [[ -n $node ]] || { echo "every node with a registryd has MinIO or Redis too"; return 1; }
  kubectl drain "$node" --ignore-daemonsets --delete-emptydir-data --timeout=300s
  same "pods on $node" "$(pods 'select(.spec.nodeName == "'"$node"'") | .metadata.name')" ""
  all_ready
  kubectl uncordon "$node"
}

scale() {
  k scale deployment/registryd --replicas="$1"
  all_ready
  same "pods" "$(pods .metadata.name | wc -l)" "$1"
}

scale_up_and_down() {
  scale 5
  scale 2
}

raw_went_well() {
  cat "$WORK/raw.log"
  head -n 1 "$WORK/raw.log" >"$NOTE"
  [[ ! -e $WORK/raw.failed ]]
}

clients_went_well() {
  local client
  for client in docker crane; do echo "$(grep -c "^clients/$client " "$ACKNOWLEDGED") images by $client"; done | xargs >"$NOTE"
  cat "$FAILED" "$WORK/docker.log" "$WORK/crane.log"
  [[ ! -s $FAILED ]] && grep -q '^clients/docker ' "$ACKNOWLEDGED" && grep -q '^clients/crane ' "$ACKNOWLEDGED"
}

kill_busy_pod() { poll 20 kill_one; }

# kill_one: the process of a pod that receives uploads right now, as if it had crashed. It runs in a condition, where errexit is off.
kill_one() {
  local name ip node uploads id
  while read -r name ip node; do
    uploads=$(curl -fsS "http://$ip:5001/metrics" | sed -n 's/^registryd_uploads_in_flight //p')
    ((uploads > 1)) || continue # of eight on three pods
    sleep 2 # so that they are in their middle
    id=$(k get pod "$name" -o jsonpath='{.status.containerStatuses[0].containerID}') || return 1
    "$CTR" -a "$RIG_DIR/$node/containerd/containerd.sock" -n k8s.io tasks kill -s SIGKILL "${id#*//}" || return 1
    echo "$name on $node, with $uploads uploads" >"$NOTE"
    return
  done < <(pods '"\(.metadata.name) \(.status.podIP) \(.spec.nodeName)"')
  return 1
}

resumed() {
  cat "$WORK/resume.log"
  head -n 1 "$WORK/resume.log" >"$NOTE"
  [[ ! -e $WORK/resume.failed ]]
}

events_are_there() {
  poll 180 no_event_missing || { cat "$WORK/arrived"; return 1; }
  cat "$WORK/arrived" >"$NOTE"
}
no_event_missing() { "$WORK/k8s-load" arrived "$ACKNOWLEDGED" "$EVENTS" >"$WORK/arrived" 2>&1; }
