#!/usr/bin/env bash
# podman: streamed uploads while compressing; manifest lists, search by tags and catalog, mounts of blobs it has seen.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/containers.sh"
need podman

# file_in IMAGE NAME: a file of an image, without a container
file_in() {
  cat "$(podman image mount "$1")/$2"
  podman image umount "$1" >/dev/null
}

# push IMAGE: podman says the digest of what it pushed; the registry must agree
push() {
  podman push --digestfile "$WORK/digest" "$REPO/$1"
  same "digest by HEAD" "$(digest_of "${1%:*}" "${1#*:}")" "$(cat "$WORK/digest")"
}

forget() { podman rmi --force "$@"; }

push_small() {
  podman import "$FIXTURES/rootfs.tar" "$REPO/small:v1"
  push small:v1
  cp "$WORK/digest" "$WORK/small.digest"
}

pull_small() {
  forget "$REPO/small:v1"
  podman pull "$REPO/small:v1"
  same hello.txt "$(file_in "$REPO/small:v1" hello.txt)" "$(tar -xOf "$FIXTURES/rootfs.tar" hello.txt)"
  same digest "$(podman image inspect --format '{{.Digest}}' "$REPO/small:v1")" "$(cat "$WORK/small.digest")"
}

pull_by_digest() {
  local image
  image=$REPO/small@$(cat "$WORK/small.digest")
  forget "$REPO/small:v1"
  podman pull "$image"
  same hello.txt "$(file_in "$image" hello.txt)" "$(tar -xOf "$FIXTURES/rootfs.tar" hello.txt)"
}

push_big() {
  podman import "$FIXTURES/big.tar" "$REPO/big:v1"
  push big:v1
}

pull_big() {
  forget "$REPO/big:v1"
  podman pull "$REPO/big:v1"
  same "sha256 of big.bin" "$(file_in "$REPO/big:v1" big.bin | sha256)" "$(cat "$FIXTURES/big.sha256")"
  forget "$REPO/big:v1"
}

push_docker_format() {
  podman import "$FIXTURES/rootfs.tar" "$REPO/small:docker"
  podman push --format v2s2 "$REPO/small:docker"
  contains "$(api GET small/manifests/docker)" application/vnd.docker.distribution.manifest.v2
}

push_index() {
  podman import --arch amd64 "$FIXTURES/rootfs.tar" "$REPO/multi:amd64"
  podman import --arch arm64 "$FIXTURES/other.tar" "$REPO/multi:arm64"
  podman manifest create list
  podman manifest add list "containers-storage:$REPO/multi:amd64"
  podman manifest add list "containers-storage:$REPO/multi:arm64"
  podman manifest push --all list "docker://$REPO/multi:v1"
  podman manifest rm list
  forget "$REPO/multi:amd64" "$REPO/multi:arm64"
  same platforms "$(podman manifest inspect "$REPO/multi:v1" | jq -r '.manifests[].platform.architecture')" $'amd64\narm64'
}

pull_index() {
  podman pull --arch arm64 "$REPO/multi:v1"
  same architecture "$(podman image inspect --format '{{.Architecture}}' "$REPO/multi:v1")" arm64
  same hello.txt "$(file_in "$REPO/multi:v1" hello.txt)" "$(tar -xOf "$FIXTURES/other.tar" hello.txt)"
}

list_tags() {
  local tag
  podman import "$FIXTURES/other.tar" "$REPO/tags:v1"
  for tag in "${TAGS[@]}"; do podman push "$REPO/tags:v1" "$REPO/tags:$tag"; done
  same tags "$(podman search --list-tags --format json "$REPO/tags" | jq -r '.[].Tags[]')" "$(sorted "${TAGS[@]}")"
}

catalog() {
  same repositories "$(podman search --limit 100 --format '{{.Name}}' "$REPO/" | our_repositories)" \
    "$(sorted big multi small tags)"
}

copy() {
  podman pull "$REPO/small:v1"
  podman push "$REPO/small:v1" "$REPO/copy:v1"
  forget "$REPO/small:v1"
  podman pull "$REPO/copy:v1"
  same hello.txt "$(file_in "$REPO/copy:v1" hello.txt)" "$(tar -xOf "$FIXTURES/rootfs.tar" hello.txt)"
}

# podman has no command to delete in a registry.
pull_deleted() {
  local digest
  digest=$(digest_of copy v1)
  podman push "$REPO/copy:v1" "$REPO/copy:v2"
  remove copy v2
  refused podman pull "$REPO/copy:v2"
  remove copy "$digest"
  gone copy v1
  refused podman pull "$REPO/copy@$digest"
}

push_again() {
  push copy:v1
  forget "$REPO/copy:v1"
  podman pull "$REPO/copy:v1"
}

step "podman push a small image" push_small
step "podman pull a small image" pull_small
step "podman pull by digest" pull_by_digest
step "podman push a 300 MB layer" push_big
step "podman pull a 300 MB layer" pull_big
step "podman push in Docker's format" push_docker_format
step "podman push a multi-arch index" push_index
step "podman pull from a multi-arch index" pull_index
step "podman search --list-tags, in lexical order" list_tags
step "podman search the catalog" catalog
step "podman copy between repositories" copy
step "podman pull of a deleted tag and digest is refused" pull_deleted
step "podman push again after the delete" push_again
