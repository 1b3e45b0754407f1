# What docker, podman and crane do with a registry, in few words; test/clients has it in full.
# shellcheck shell=bash

sha256() { sha256sum | cut -d' ' -f1; } # of stdin

# rootfs FILE TEXT: a tar with hello.txt
rootfs() {
  local dir
  dir=$(mktemp -d "$WORK/rootfs.XXXXXX")
  echo "$2" >"$dir/hello.txt"
  tar -C "$dir" -cf "$1" hello.txt
}

# acknowledged_now REPOSITORY TAG: what a client was just told is there, with its event
acknowledged_now() { echo "$1 $2 $(crane digest --insecure "$REGISTRY/$1:$2")" >>"$ACKNOWLEDGED"; }

# file_in IMAGE NAME: by way of a container that is never started
file_in() {
  local container
  container=$(docker create --network none "$1" /none)
  docker cp "$container:/$2" - | tar -xOf -
  docker rm "$container" >/dev/null
}

with_docker() {
  local image=$REGISTRY/clients/docker:v1
  rootfs "$WORK/docker.tar" "by docker"
  docker import "$WORK/docker.tar" "$image"
  docker push "$image"
  acknowledged_now clients/docker v1
  docker rmi -f "$image"
  docker pull "$image"
  same hello.txt "$(file_in "$image" hello.txt)" "by docker"
  docker rmi -f "$image"
}

# in_podman COMMAND...: with storage of its own, in a mount namespace of its own
in_podman() { REGISTRY=$REGISTRY WORK=$WORK/podman bash "$root/test/e2e/podman.sh" "$@"; }

with_podman() {
  rootfs "$WORK/podman.tar" "by podman"
  in_podman "$REGISTRY/clients/podman:v1" "$WORK/podman.tar" "$(tar -xOf "$WORK/podman.tar" hello.txt)"
  acknowledged_now clients/podman v1
}

with_crane() {
  local image=$REGISTRY/clients/crane arch
  for arch in amd64 arm64; do
    rootfs "$WORK/$arch.tar" "for $arch"
    crane append --insecure --oci-empty-base -f "$WORK/$arch.tar" -t "$image:$arch"
    crane mutate --insecure --set-platform "linux/$arch" "$image:$arch" -t "$image:$arch"
    acknowledged_now clients/crane "$arch"
  done
  crane index append --insecure -m "$image:amd64" -m "$image:arm64" -t "$image:v1"
  acknowledged_now clients/crane v1
  same "index" "$(crane manifest --insecure "$image:v1" | jq -r '.manifests[].platform.architecture' | sort | xargs)" "amd64 arm64"
  for arch in amd64 arm64; do
    same "by crane" "$(crane export --insecure --platform "linux/$arch" "$image:v1" - | tar -xOf - hello.txt)" "for $arch"
    docker pull --platform "linux/$arch" "$image:v1"
    same "by docker" "$(docker image inspect --format '{{.Architecture}}' "$image:v1")" "$arch"
    docker rmi -f "$image:v1"
  done
  crane validate --insecure --remote "$image:v1"
  same tags "$(crane ls --insecure "$image" | xargs)" "amd64 arm64 v1"
}

# push_big TAG: 100 MB of random bytes, which crane sends in one PATCH
push_big() {
  local try
  for try in 1 2 3 4 5; do
    if crane append --insecure --oci-empty-base -f "$WORK/big.tar" -t "$REGISTRY/clients/big:$1"; then
      acknowledged_now clients/big "$1"
      return
    fi
    echo "attempt $try failed"
  done
  return 1
}

pull_big_with_crane() {
  same big.bin "$(crane export --insecure "$REGISTRY/clients/big:$1" - | tar -xOf - big.bin | sha256)" "$(cat "$WORK/big.sha256")"
}

with_big_layers() {
  local image=$REGISTRY/clients/big-docker:v1
  head -c 100000000 /dev/urandom >"$WORK/big.bin"
  sha256 <"$WORK/big.bin" >"$WORK/big.sha256"
  tar -C "$WORK" -cf "$WORK/big.tar" big.bin
  rm "$WORK/big.bin"
  push_big v1
  pull_big_with_crane v1
  docker import "$WORK/big.tar" "$image"
  docker push "$image"
  acknowledged_now clients/big-docker v1
  docker rmi -f "$image"
  docker pull "$image"
  same "big.bin by docker" "$(file_in "$image" big.bin | sha256)" "$(cat "$WORK/big.sha256")"
  docker rmi -f "$image"
}
