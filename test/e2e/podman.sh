#!/usr/bin/env bash
# podman.sh IMAGE TAR TEXT: imports the tar, pushes, forgets and pulls it, and looks for TEXT in its hello.txt. For clients.sh.
set -euo pipefail
# The namespace is entered by starting anew, which forgets arguments.
export ARGUMENTS=${ARGUMENTS:-$(printf '%q ' "$@")}
mkdir -p "${WORK:?start this through compose.sh}"
. "$(dirname "$0")/../clients/containers.sh"
eval "set -- $ARGUMENTS"

podman import -q "$2" "$1"
podman push -q "$1"
podman rmi -f "$1"
podman pull -q "$1"
[[ $(cat "$(podman image mount "$1")/hello.txt") == "$3" ]]
