#!/usr/bin/env bash
# can-run.sh: whether this machine can run compose.sh; if not, it says what is missing, and exits with 1.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/test/e2e/rig.sh"

no() { echo "e2e-compose is left out: $*"; exit 1; }

for program in flock make go; do command -v "$program" >/dev/null || no "$program is not installed."; done
(exec 3<>"/dev/tcp/127.0.0.1/${REGISTRYD_PORT:-5000}") 2>/dev/null && no "port ${REGISTRYD_PORT:-5000} is taken; set REGISTRYD_PORT to a free one."
if has_rig; then
  docker info >/dev/null 2>&1 && exit
  ((EUID == 0)) || no "no Docker engine answers, and only root can start one."
  if [[ ! -w /proc/sys/net/ipv4/ip_forward ]] || ! unshare --mount --net true 2>/dev/null; then no "no Docker engine answers, and none can be started in here."; fi
  exit 0
fi
for program in docker podman jq curl; do command -v "$program" >/dev/null || no "$program is not installed."; done
docker compose version >/dev/null 2>&1 || no "docker has no compose plugin."
docker info >/dev/null 2>&1 || no "no Docker engine answers."
timeout 60 docker manifest inspect busybox:1.37 >/dev/null 2>&1 || no "no image can be pulled."
