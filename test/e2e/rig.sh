# What a machine lacks that can pull no image: stand-ins, made by the scripts of a rig that lies beside the checkout, and clients built from source.
# Without a rig, images are pulled, and what is missing is yours to install.
# shellcheck shell=bash

rig=${REGISTRYD_RIG:-$root/../shared/rig}
has_rig() { [[ -x $rig/mkimages.sh ]]; }

mc=github.com/minio/mc@v0.0.0-20250313080218-cf909e1063a9
crane=github.com/google/go-containerregistry/cmd/crane@v0.22.1

# install_tools: what the test needs, and the rig; minutes, the first time.
install_tools() {
  build crane "$crane"
  has_rig || return 0
  local missing=() program
  for program in docker:docker.io dockerd:docker.io podman:podman haproxy:haproxy jq:jq curl:curl redis-server:redis-server iptables:iptables ip:iproute2; do
    command -v "${program%:*}" >/dev/null || missing+=("${program#*:}")
  done
  [[ $(/usr/bin/busybox httpd --help 2>&1) == *Usage* ]] || missing+=(busybox-static)
  if ((${#missing[@]} > 0)); then install_packages "${missing[@]}"; fi
  docker compose version >/dev/null 2>&1 || "$rig/compose-build.sh"
  build mc "$mc"
  build minio "$(sed -n 's/.*module: "\(.*minio@.*\)".*/\1/p' "$root/internal/teststore/binary.go")"
}

install_packages() {
  ((EUID == 0)) || { echo "install $* first"; return 1; }
  if [[ ! -e /usr/sbin/policy-rc.d ]]; then # packages start no service while it says so
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
  fi
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

# build NAME MODULE@VERSION
build() {
  command -v "$1" >/dev/null || GOBIN=$TOOLS GOFLAGS='' CGO_ENABLED=0 go install -ldflags='-s -w' "$2"
}

# images_of_rig: the names that the rig's scripts make
images_of_rig() {
  printf '%s\n' redis:{7-alpine,7,7.2-alpine,alpine,latest} valkey/valkey:8-alpine minio/minio:latest minio/mc:latest busybox:latest \
    alpine:{3,latest,3.22} gcr.io/distroless/static{,-debian12}:{latest,nonroot}
}

# going NAME...: those of the images that are not there yet go when the test ends.
going() {
  local name
  for name; do docker image inspect "$name" >/dev/null 2>&1 || echo "$name" >>"$WORK/images"; done
}

# stand_ins NAME...: makes the images that are missing.
stand_ins() {
  local name made
  mapfile -t made < <(images_of_rig)
  going "$@" golang:1.26-bookworm "${made[@]}"
  RIG_BIN=$TOOLS "$rig/mkimages.sh"
  for name in "$@" golang:1.26-bookworm; do
    docker image inspect "$name" >/dev/null 2>&1 || stand_in "$name"
  done
}

stand_in() {
  case $1 in
    golang:*) image_of "$1" "$(go env GOROOT)" 'COPY . /usr/local/go' 'ENV PATH=/usr/local/go/bin:/bin GOPATH=/go GOTOOLCHAIN=local' ;;
    haproxy:*) haproxy_root "$WORK/haproxy" && image_of "$1" "$WORK/haproxy" 'COPY . /' 'USER 99' 'CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]' ;;
    minio/minio:*) docker tag minio/minio:latest "$1" ;;
    busybox:*) docker tag busybox:latest "$1" ;;
    *) echo "nobody knows how to make $1"; return 1 ;;
  esac
}

# image_of NAME CONTEXT LINE...
image_of() {
  local name=$1 context=$2
  shift 2
  printf '%s\n' 'FROM busybox:latest' "$@" >"$WORK/Dockerfile"
  DOCKER_BUILDKIT=0 docker build -q -t "$name" -f "$WORK/Dockerfile" "$context"
}

# haproxy_root DIR: Debian's program with the libraries that it needs
haproxy_root() {
  local file
  for file in /usr/sbin/haproxy $(ldd /usr/sbin/haproxy | grep -oE '/[^ ]+\.so[^ ]*'); do
    install -D -m755 "$(readlink -f "$file")" "$1${file/#\/usr\/sbin\//\/usr\/local\/bin\/}"
  done
}

remove_images() {
  [[ -e $WORK/images ]] || return 0
  xargs -r docker rmi -f <"$WORK/images"
}
