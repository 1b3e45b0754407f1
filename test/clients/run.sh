#!/usr/bin/env bash
# run.sh [CLIENT...]: pushes to and pulls from a registry with real clients; all of them when none is named.
#
# The registry is built from this checkout and started on a free loopback port, unless
#   REGISTRYD=path       names a binary to start instead
#   NODES=2              starts so many nodes, which share a bucket of MinIO and a Redis (make tools)
#   REGISTRY=host:port   names one that runs already (plain HTTP; deleting and schema 1 must be enabled);
#                        OTHER_REGISTRY=host:port is another node of it
# REGISTRYD_TOOLS is where install.sh put the clients that it built.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
all=(crane regctl skopeo podman buildah docker helm cosign concurrent)
script_seconds=1200

work=$(mktemp -d "${TMPDIR:-/tmp}/registryd-clients.XXXXXX")
script_pid=
RESULTS=$work/results
WORK=$work/run
FIXTURES=$work/fixtures
NAMESPACE=clients-$$ REPO=- # the scripts get theirs from run_script
run_id=clients-$(date +%s)-$$
server_log=$work/server.log
external=${REGISTRY:-}
NODES=${NODES:-1}
REGISTRY=${REGISTRY:--}
TOOLS=${REGISTRYD_TOOLS:-$HOME/.cache/registryd-tools}
PATH=$TOOLS:$PATH
export REGISTRY RESULTS FIXTURES TOOLS PATH
touch "$RESULTS"
mkdir "$WORK"

. "$here/lib.sh"
. "$here/server.sh"

cleanup() {
  if [[ -n $script_pid ]]; then
    kill "$script_pid" 2>/dev/null || true
    wait "$script_pid" || true
  fi
  stop_server || true
  stop_others
  rm -rf "$work"
}

# run_script NAME: in a process of its own, with a bound on its time.
run_script() {
  local name=$1 status=0
  mkdir "$work/$name"
  WORK=$work/$name NAMESPACE=$run_id/$name REPO=$REGISTRY/$run_id/$name OTHER_REPO=$OTHER_REGISTRY/$run_id/$name \
    timeout -k 30 "$script_seconds" bash "$here/$name.sh" &
  script_pid=$!
  wait "$script_pid" || status=$?
  script_pid=
  ((status == 0 || status == MISSING)) || report FAIL "$name.sh ended early with status $status"
  rm -rf "${work:?}/$name"
}

# end_server: it stops by itself when asked to, complained about nothing, and leaves a store that is whole.
end_server() {
  local status=0
  stop_server || status=$?
  step "registryd stops cleanly" same "exit status" "$status" 0
  step "registryd logged no error" same "errors" "$(complaints)" ""
  step "registryd fsck finds no damage" "$REGISTRYD" fsck --deep
}

complaints() { grep -E '"level":"(error|dpanic|panic|fatal)"|"status":5|^panic' "$server_log" | tail -n 20 || true; }

summary() {
  local passed failed
  passed=$(grep -c '^ok' "$RESULTS" || true)
  failed=$(grep -c '^FAIL' "$RESULTS" || true)
  echo "$passed passed, $failed failed"
  ((failed == 0 && passed > 0))
}

main() {
  local name
  need curl jq
  for name; do
    [[ " ${all[*]} " == *" $name "* ]] || { echo "no client $name, there are: ${all[*]}" >&2; exit 2; }
  done
  [[ $NODES == [1-9] ]] || { echo "NODES is $NODES: set it to a number from 1 to 9" >&2; exit 2; }
  (($# > 0)) || set -- "${all[@]}"
  if [[ -z $external ]]; then
    if [[ -z ${REGISTRYD:-} ]]; then
      REGISTRYD=$work/registryd
      build_server "$here/../.." "$REGISTRYD"
    fi
    start_server "$REGISTRYD" "$work/data" "$server_log" "$NODES"
  fi
  export OTHER_REGISTRY=${OTHER_REGISTRY:-$REGISTRY}
  echo "testing the registry at $REGISTRY$([[ $OTHER_REGISTRY == "$REGISTRY" ]] || echo " and $OTHER_REGISTRY")"
  bash "$here/fixtures.sh" "$FIXTURES"
  for name; do run_script "$name"; done
  [[ -n $external ]] || end_server
  summary
}

trap cleanup EXIT
trap 'exit 130' INT TERM
main "$@"
