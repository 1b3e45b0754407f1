#!/usr/bin/env bash
# k8s-client.sh: pushes and pulls with one client until the file $STOP is there. What fails is noted, and not repeated beyond what the client does itself.
#
#   CLIENT         crane or docker
#   REPO           the repository, with the registry
#   WORK           a directory of its own
#   ACKNOWLEDGED   file that gets a line for each push that was: repository, tag, digest
#   FAILED         file that gets a line for each command that failed
set -euo pipefail
: "${CLIENT:?start this through k8s.sh}" "${REPO:?}" "${WORK:?}" "${ACKNOWLEDGED:?}" "${FAILED:?}" "${STOP:?}"

push_crane() { crane append --insecure --oci-empty-base -f "$WORK/layer.tar" -t "$1" | sed -n 's/.*@//p'; }
pull_crane() { crane export --insecure "$1" - | tar -xOf - file | cmp - "$WORK/file"; }

push_docker() {
  docker import "$WORK/layer.tar" "$1" >/dev/null
  docker push "$1" | sed -n 's/.*digest: \(sha256:[0-9a-f]*\) .*/\1/p'
}
pull_docker() {
  docker rmi -f "$1" >/dev/null
  docker pull "$1" >/dev/null
  docker rmi -f "$1" >/dev/null
}

# tried COMMAND...: its output, or a line in $FAILED
tried() {
  timeout 120 bash -euo pipefail -c "$(declare -f "$1"); \"\$@\"" - "$@" 2>"$WORK/error" && return
  echo "$(date +%T) $CLIENT: $*: $(tail -n 3 "$WORK/error" | xargs -0)" >>"$FAILED"
  return 1
}

export WORK
for ((i = 1; ; i++)); do
  if [[ -e $STOP ]]; then exit; fi
  head -c 2000000 /dev/urandom >"$WORK/file"
  tar -C "$WORK" -cf "$WORK/layer.tar" file
  if digest=$(tried "push_$CLIENT" "$REPO:v$i") && [[ -n $digest ]]; then
    echo "${REPO#*/} v$i $digest" >>"$ACKNOWLEDGED"
    tried "pull_$CLIENT" "$REPO:v$i" || true
  fi
done
