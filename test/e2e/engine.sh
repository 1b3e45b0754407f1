# Docker's engine: the one that runs, or one of our own that ends with the test and leaves the network as it was.
# shellcheck shell=bash

# use_engine: sets DOCKER_HOST where it starts one.
use_engine() {
  docker info >/dev/null 2>&1 && return
  ((EUID == 0)) || { echo "FAIL no Docker engine answers, and only root can start one"; exit 1; }
  need dockerd containerd iptables ip
  remember_network
  at_end restore_network
  dockerd --data-root "$WORK/engine" --exec-root "$WORK/run" --pidfile "$WORK/dockerd.pid" --host "unix://$WORK/sock" >"$WORK/dockerd.log" 2>&1 &
  at_end stop_engine $!
  export DOCKER_HOST=unix://$WORK/sock
}

engine_answers() { poll 60 docker version >/dev/null || { tail -n 20 "$WORK/dockerd.log"; return 1; }; }

stop_engine() {
  stop_process "$1"
  for mount in $(awk -v dir="$WORK/" 'index($2, dir) == 1 {print $2}' /proc/mounts | sort -r); do umount -l "$mount"; done
}

remember_network() {
  ip link show docker0 >/dev/null 2>&1 && had_bridge=1 || had_bridge=0
  forward_policy=$(iptables -S FORWARD | sed -n 's/^-P FORWARD //p')
  forwarding=$(cat /proc/sys/net/ipv4/ip_forward)
}

restore_network() {
  ((had_bridge == 0)) || return 0 # it was there before us, so we do not know what is ours
  local table chain rule
  for table in filter nat; do
    while read -ra rule; do iptables -t "$table" -D "${rule[@]:1}"; done < <(iptables -t "$table" -S |
      grep -E '^-A (FORWARD|PREROUTING|OUTPUT|POSTROUTING) .*(DOCKER|docker0)')
    for chain in $(iptables -t "$table" -S | sed -n 's/^-N \(DOCKER.*\)/\1/p'); do iptables -t "$table" -F "$chain"; done
    for chain in $(iptables -t "$table" -S | sed -n 's/^-N \(DOCKER.*\)/\1/p'); do iptables -t "$table" -X "$chain"; done
  done
  iptables -P FORWARD "$forward_policy"
  echo "$forwarding" >/proc/sys/net/ipv4/ip_forward
  ip link show docker0 >/dev/null 2>&1 && ip link del docker0
  return 0
}
