# Shared by the end-to-end tests: steps, waiting, and putting things back.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TOOLS=${REGISTRYD_TOOLS:-$HOME/.cache/registryd-tools} # where what is built for tests is kept
PATH=$TOOLS:$PATH

# One end-to-end test at a time: they share the machine's network.
mkdir -p "$TOOLS"
exec 9>"$TOOLS/e2e.lock"
flock -w 1800 9 || { echo "FAIL another end-to-end test has been running for half an hour"; exit 1; }

WORK=$(mktemp -d "${TMPDIR:-/tmp}/registryd-e2e.XXXXXX")
export PATH TOOLS WORK

undo=()

# at_end COMMAND...: runs it when the test ends, however it ends; the last one first.
at_end() { undo+=("$(printf '%q ' "$@")"); }

finish() {
  local status=$? i
  trap '' INT TERM
  set +e
  for ((i = ${#undo[@]} - 1; i >= 0; i--)); do
    eval "${undo[i]}" >>"$WORK/end.log" 2>&1 || { echo "FAIL at the end: ${undo[i]}"; tail -n 20 "$WORK/end.log"; status=1; }
  done
  rm -rf "$WORK"
  exit "$status"
}

trap finish EXIT
trap 'exit 130' INT TERM

# step NAME COMMAND...: runs it in a subshell and prints one line. Steps build on one another, so the first that fails ends the test. What the command
# writes to the file $NOTE stands in that line.
step() {
  local name=$1 status begin=$SECONDS
  shift
  export NOTE=$WORK/note
  : >"$NOTE"
  set +e # the subshell must not be a condition: errexit would be off inside it
  (
    set -euo pipefail
    trap - EXIT INT TERM
    "$@"
  ) >"$WORK/step.log" 2>&1
  status=$?
  set -e
  if ((status != 0)); then
    printf 'FAIL %s (%ds, exit status %d)\n' "$name" $((SECONDS - begin)) "$status"
    tail -n 40 "$WORK/step.log" | sed 's/^/     /'
    exit 1
  fi
  printf 'ok   %s (%ds)%s\n' "$name" $((SECONDS - begin)) "$(sed 's/^/: /' "$NOTE")"
}

# need PROGRAM...: ends the test when one is missing.
need() {
  local program
  for program; do
    command -v "$program" >/dev/null || { echo "FAIL $program is not installed; see test/e2e/README.md"; exit 1; }
  done
}

# poll SECONDS COMMAND...: until it succeeds
poll() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    if ((SECONDS >= deadline)); then
      echo "gave up waiting for: $*"
      return 1
    fi
    sleep 0.2
  done
}

# same WHAT GOT WANT
same() {
  [[ $2 == "$3" ]] && return 0 # without the 0 it would be, at the end, what the test ended with
  printf '%s: got\n%s\nwant\n%s\n' "$1" "$2" "$3"
  return 1
}

# stop_process PID: politely, then for good
stop_process() {
  local pid=$1
  kill "$pid" 2>/dev/null || return 0
  for _ in {1..300}; do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -9 "$pid"
}
