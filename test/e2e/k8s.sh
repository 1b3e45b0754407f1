#!/usr/bin/env bash
# k8s.sh: the manifests of deploy/k8s on a real Kubernetes of three nodes: accepted, started, and no request fails while pods come and go.
#
# Everything runs on this machine, and is taken down again. As root; it needs the scripts of a rig beside the checkout (../shared/rig, or REGISTRYD_RIG).
# The first run builds Kubernetes, which takes a quarter of an hour; after that it is some five minutes. REGISTRYD=path takes a binary that exists.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$root/test/e2e/rig.sh"
. "$root/test/e2e/k8s-rig.sh"
. "$root/test/e2e/k8s-steps.sh"

has_rig || { echo "FAIL this needs the rig: set REGISTRYD_RIG to the folder with its scripts"; exit 1; }
((EUID == 0)) || { echo "FAIL run this as root: it starts kubelets"; exit 1; }
[[ ! -e $RIG_DIR ]] || { echo "FAIL another Kubernetes of the rig is there: run k8s-down.sh of the rig first"; exit 1; }

step "programs are installed" install_rig
step "the test's own client is built" go build -C "$root" -o "$WORK/k8s-load" ./test/e2e/k8s-load
start_engine
step "a Docker engine answers" engine_up
step "images are made" make_images
forwarded=$(cat /proc/sys/net/ipv4/ip_forward)
restore_forwarding() { echo "$forwarded" >/proc/sys/net/ipv4/ip_forward; }
at_end restore_forwarding
at_end stop_kubernetes
step "Kubernetes is up" start_kubernetes

step "definitions of the Prometheus operator, cert-manager and the Gateway API are there" real_crds
step "the namespace enforces restricted pods" make_namespace
for what in deploy/k8s/base deploy/k8s/overlays/production deploy/k8s/overlays/local test/e2e/k8s-all; do
  step "the server takes $what, without a warning" server_takes "$what"
done

step "deploy/k8s/overlays/local is applied and runs" apply_local
REGISTRY=$(kubectl -n registryd get service registryd -o jsonpath='{.spec.clusterIP}'):5000
export REGISTRY
"$WORK/k8s-load" sink 10.97.0.1:8088 "$EVENTS" &
at_end stop_process $!
step "pods tell an event sink" tell_sink
step "pods are on three nodes" pods_are_spread

start_load
step "rollout restart" rollout_restart
step "one node is drained" drain_one
step "3 pods become 5, then 2" scale_up_and_down
stop_load
step "raw HTTP: no request failed" raw_went_well
step "docker and crane: no command failed" clients_went_well
step "all that was pushed is pulled and verified" "$WORK/k8s-load" verify "$REGISTRY" "$ACKNOWLEDGED"

step "3 pods again" scale 3
"$WORK/k8s-load" resume "$REGISTRY" "$ACKNOWLEDGED" >"$WORK/resume.log" 2>&1 &
resuming=$!
step "SIGKILL for a pod with uploads under way" kill_busy_pod
wait "$resuming" || touch "$WORK/resume.failed"
step "its uploads went on elsewhere" resumed
step "all that was pushed is pulled and verified" "$WORK/k8s-load" verify "$REGISTRY" "$ACKNOWLEDGED"
step "every push has its event" events_are_there

step "Kubernetes is taken down" stop_kubernetes
step "nothing is left" nothing_left
