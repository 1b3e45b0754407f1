# Clients that push without end, and what must be true of all that was acknowledged.
# shellcheck shell=bash

ACKNOWLEDGED=$WORK/acknowledged REPEATED=$WORK/repeated STOP=$WORK/stop
export ACKNOWLEDGED REPEATED STOP
pushers=()

# start_traffic CLIENT...: one pusher each
start_traffic() {
  local client i=0
  touch "$ACKNOWLEDGED" "$REPEATED"
  for client; do
    i=$((i + 1))
    mkdir -p "$WORK/pusher-$i"
    CLIENT=$client REPO=$REGISTRY/traffic/$client-$i WORK=$WORK/pusher-$i bash "$root/test/e2e/pusher.sh" >"$WORK/pusher-$i/out" 2>&1 &
    pushers+=($!)
    at_end stop_process $!
  done
}

acknowledged() { wc -l <"$ACKNOWLEDGED"; }

# traffic_flows COUNT: so many more pushes were acknowledged
traffic_flows() {
  local want=$(($(acknowledged) + $1))
  poll 120 more_than "$want"
}
more_than() { (($(acknowledged) >= $1)); }

# stop_traffic: every pusher ends what it began. Their statuses are kept for traffic_ended, since only this shell can wait for them.
stop_traffic() {
  local pid
  touch "$STOP"
  for pid in "${pushers[@]}"; do wait "$pid" || touch "$WORK/traffic.failed"; done
}

traffic_ended() {
  if [[ -e $WORK/traffic.failed ]]; then
    tail -n 20 "$WORK"/pusher-*/out
    return 1
  fi
  echo "$(acknowledged) pushes acknowledged, $(wc -l <"$REPEATED") attempts repeated" >"$NOTE"
  (($(acknowledged) > 0))
}

# images_are_there: each acknowledged tag, with its digest and every byte
images_are_there() {
  local repo tag digest
  while read -r repo tag digest; do
    same "$repo:$tag" "$(crane digest --insecure "$REGISTRY/$repo:$tag")" "$digest"
  done <"$ACKNOWLEDGED"
  sed -E "s|^(.*) (.*) (.*)|$REGISTRY/\\1:\\2|" "$ACKNOWLEDGED" | xargs -P 4 -I {} sh -c 'crane validate --insecure --remote {} >/dev/null || exit 255'
  echo "$(acknowledged) images pulled and verified" >"$NOTE"
}

# events_are_there: the event of each acknowledged push is at the sink, or comes within five minutes
events_are_there() {
  poll 300 no_event_missing || { echo "these are missing at the sink:"; head -n 20 "$WORK/missing"; return 1; }
  echo "$(acknowledged) pushes, $(wc -l <"$WORK/events") events of manifests, each at least once" >"$NOTE"
}

no_event_missing() {
  compose exec -T events sh -c 'cat /events/*' |
    jq -r '.events[] | select(.action == "push" and .target.tag) | "\(.target.repository) \(.target.tag) \(.target.digest)"' >"$WORK/events"
  sort -u "$ACKNOWLEDGED" | comm -23 - <(sort -u "$WORK/events") >"$WORK/missing"
  [[ ! -s $WORK/missing ]]
}
