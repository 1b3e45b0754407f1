#!/usr/bin/env bash
# pusher.sh: pushes one small image after the other with one client until the file $STOP is there. A push that fails is repeated, for up to two minutes.
#
#   CLIENT         crane, docker or podman
#   REPO           the repository, with the registry
#   WORK           a directory of its own
#   ACKNOWLEDGED   file that gets a line for each push that was: repository, tag, digest
#   REPEATED       file that gets a line for each attempt that failed
set -euo pipefail
: "${CLIENT:?start this through compose.sh}" "${REPO:?}" "${WORK:?}" "${ACKNOWLEDGED:?}" "${REPEATED:?}" "${STOP:?}"
if [[ $CLIENT == podman ]]; then
  REGISTRY=${REPO%%/*}
  . "$(dirname "$0")/../clients/containers.sh"
fi

layer() {
  head -c 100000 /dev/urandom >"$WORK/file"
  tar -C "$WORK" -cf "$WORK/layer.tar" file
}

# push_CLIENT IMAGE: prints the digest, as the client has it. They run in a condition, where errexit is off.

push_crane() { timeout 60 crane append --insecure --oci-empty-base -f "$WORK/layer.tar" -t "$1" | sed -n 's/.*@//p'; }

push_docker() {
  docker image inspect "$1" >/dev/null 2>&1 || docker import "$WORK/layer.tar" "$1" >/dev/null
  timeout 60 docker push "$1" | sed -n 's/.*digest: \(sha256:[0-9a-f]*\) .*/\1/p'
}

push_podman() {
  podman image exists "$1" || podman import -q "$WORK/layer.tar" "$1" >/dev/null
  timeout 60 podman push -q --digestfile "$WORK/digest" "$1" >/dev/null && cat "$WORK/digest"
}

forget_crane() { :; }
forget_docker() { docker rmi -f "$1" >/dev/null; }
forget_podman() { podman rmi -f "$1" >/dev/null; }

push() {
  local image=$REPO:$1 digest deadline=$((SECONDS + 120))
  until digest=$("push_$CLIENT" "$image" 2>>"$WORK/log") && [[ -n $digest ]]; do
    echo "$image" >>"$REPEATED"
    if ((SECONDS > deadline)); then
      echo "$image could not be pushed in two minutes:"
      tail -n 20 "$WORK/log"
      return 1
    fi
    sleep 0.5
  done
  echo "${REPO#*/} $1 $digest" >>"$ACKNOWLEDGED"
  "forget_$CLIENT" "$image"
}

for ((i = 1; ; i++)); do
  if [[ -e $STOP ]]; then exit; fi
  layer
  push "v$i"
done
