# A Kubernetes of three nodes on this machine, by the scripts of the rig, and a Docker engine that makes its images and leaves the network alone.
# shellcheck shell=bash

RIG_BIN=${RIG_BIN:-$HOME/.cache/rig/bin}
RIG_DIR=/tmp/k8s-rig
KUBECONFIG=$RIG_DIR/admin.kubeconfig
PATH=$RIG_BIN:$PATH
NODES=3 CONTAINERD=/usr/bin/containerd CTR=/usr/bin/ctr
export RIG_BIN RIG_DIR KUBECONFIG PATH NODES CONTAINERD CTR

coredns=github.com/coredns/coredns@v1.15.0

# install_rig: minutes, the first time
install_rig() {
  local missing=() program
  for program in docker:docker.io dockerd:docker.io containerd:containerd ctr:containerd etcd:etcd-server conntrack:conntrack socat:socat ethtool:ethtool \
    openssl:openssl jq:jq curl:curl redis-server:redis-server iptables:iptables ip:iproute2; do
    command -v "${program%:*}" >/dev/null || missing+=("${program#*:}")
  done
  [[ -x /usr/lib/cni/bridge ]] || missing+=(containernetworking-plugins)
  [[ -x /usr/bin/busybox ]] || missing+=(busybox-static)
  if ((${#missing[@]} > 0)); then install_packages "${missing[@]}"; fi
  build crane "$crane"
  build minio "$(sed -n 's/.*module: "\(.*minio@.*\)".*/\1/p' "$root/internal/teststore/binary.go")"
  for program in kube-apiserver kubelet kube-controller-manager kube-scheduler kube-proxy kubectl; do
    [[ -x $RIG_BIN/$program ]] || "$rig/k8s-build.sh" "$program"
  done
  [[ -x $RIG_BIN/coredns ]] || GOBIN=$RIG_BIN GOFLAGS='' CGO_ENABLED=0 go install -ldflags='-s -w' "$coredns"
}

# start_engine: apart from any other on this machine
start_engine() {
  dockerd --data-root "$WORK/engine" --exec-root "$WORK/run" --pidfile "$WORK/dockerd.pid" --host "unix://$WORK/sock" --bridge none --iptables=false \
    --ip6tables=false --ip-forward=false --userland-proxy=false --insecure-registry 10.96.0.0/16 >"$WORK/dockerd.log" 2>&1 &
  at_end stop_engine $!
  export DOCKER_HOST=unix://$WORK/sock DOCKER_CONFIG=$WORK/docker
}

stop_engine() {
  stop_process "$1"
  local mount
  for mount in $(awk -v dir="$WORK/" 'index($2, dir) == 1 {print $2}' /proc/mounts | sort -r); do umount -l "$mount"; done
}

images_of() { kubectl kustomize "$1" | sed -n 's/^ *image: //p' | sort -u; }

# make_images: stand-ins for those of others, and ours as the last stage of deploy/Dockerfile makes it
make_images() {
  RIG_BIN=$TOOLS "$rig/mkimages.sh"
  docker tag minio/minio:latest "$(images_of "$root/deploy/k8s/overlays/local" | grep ^minio/)"
  mkdir -p "$WORK/image/data"
  if [[ -n ${REGISTRYD:-} ]]; then
    cp "$REGISTRYD" "$WORK/image/registryd"
  else
    CGO_ENABLED=0 go build -C "$root" -trimpath -buildvcs=false -ldflags '-s -w -X main.version=e2e' -o "$WORK/image/registryd" ./cmd/registryd
  fi
  sed -n '/^FROM gcr.io/,$ { s#--from=build ##; s#/out/##; p }' "$root/deploy/Dockerfile" >"$WORK/image/Dockerfile"
  DOCKER_BUILDKIT=0 docker build -q -t registryd:dev "$WORK/image"
}

start_kubernetes() {
  IMAGES=$(images_of "$root/deploy/k8s/overlays/local" | xargs) "$rig/k8s-up.sh" full
  kubectl version
  echo "$(kubectl get nodes --no-headers | grep -c ' Ready') nodes of $(kubectl version -o json | jq -r .serverVersion.gitVersion)" >"$NOTE"
}

stop_kubernetes() {
  # Pods first: a namespace that has some is looked at again only after half of the time that they may take to end, which is minutes.
  timeout 120 kubectl -n registryd delete deployments,statefulsets,pods --all
  timeout 120 kubectl delete namespace registryd --ignore-not-found # its volumes too
  "$rig/k8s-down.sh"
  rmdir /tmp/hostpath_pv 2>/dev/null || [[ ! -e /tmp/hostpath_pv ]]
}

# nothing_left: of what the rig makes. Not by "! a | b", which errexit looks past.
nothing_left() {
  local links rules
  [[ ! -e $RIG_DIR ]] || { echo "$RIG_DIR is still there"; return 1; }
  links=$(ip -o link)
  same links "$(grep -E 'k8s(br[0-9]|api)' <<<"$links")" ""
  rules=$(iptables-save)
  same "rules of iptables" "$(grep -E 'KUBE-|10\.244\.' <<<"$rules")" ""
  same processes "$(pgrep -af "$RIG_DIR")" ""
}

# real_crds: of what the components are for, by the modules that define them
real_crds() {
  local gateway operator certificates
  gateway=$(module sigs.k8s.io/gateway-api@v1.6.3)
  operator=$(module github.com/prometheus-operator/prometheus-operator@v0.85.0)
  certificates=$(module github.com/cert-manager/cert-manager@v1.21.2)
  kubectl apply --server-side -f "$gateway/config/crd/standard/gateway.networking.k8s.io_httproutes.yaml" \
    -f "$operator/example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml" \
    -f "$operator/example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml" \
    -f "$certificates/deploy/crds/cert-manager.io_certificates.yaml"
  poll 60 kubectl wait --for=condition=Established --timeout=30s crd --all
}

module() { (cd / && go mod download -json "$1" | jq -r .Dir); }
