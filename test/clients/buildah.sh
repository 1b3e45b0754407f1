#!/usr/bin/env bash
# buildah: images and indexes built from scratch, with several layers, pushed and pulled.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/containers.sh"
need buildah

# build IMAGE ARCH FILE...: one layer per file
build() {
  local image=$REPO/$1 arch=$2 from=scratch container file
  shift 2
  for file; do
    container=$(buildah from --arch "$arch" "$from")
    buildah add "$container" "$file" /
    buildah config --arch "$arch" --cmd /none "$container"
    buildah commit --rm "$container" "$image"
    from=$image
  done
}

# file_in IMAGE NAME
file_in() {
  local container
  container=$(buildah from --pull-never "$REPO/$1")
  cat "$(buildah mount "$container")/$2"
  buildah rm "$container" >/dev/null
}

push() {
  buildah push --digestfile "$WORK/digest" "$REPO/$1"
  same "digest by HEAD" "$(digest_of "${1%:*}" "${1#*:}")" "$(cat "$WORK/digest")"
}

again() {
  buildah rmi --force "$REPO/$1"
  buildah pull "$REPO/$1"
}

push_small() {
  build small:v1 amd64 "$FIXTURES/rootfs.tar" "$FIXTURES/big.sha256"
  push small:v1
  same layers "$(api GET small/manifests/v1 | jq '.layers | length')" 2
}

pull_small() {
  again small:v1
  same hello.txt "$(file_in small:v1 hello.txt)" "$(tar -xOf "$FIXTURES/rootfs.tar" hello.txt)"
  same big.sha256 "$(file_in small:v1 big.sha256)" "$(cat "$FIXTURES/big.sha256")"
}

pull_by_digest() {
  buildah rmi --force "$REPO/small:v1"
  buildah pull "$REPO/small@$(digest_of small v1)"
  buildah tag "$REPO/small@$(digest_of small v1)" "$REPO/small:v1"
}

push_big() {
  build big:v1 amd64 "$FIXTURES/big.tar"
  push big:v1
}

pull_big() {
  again big:v1
  same "sha256 of big.bin" "$(file_in big:v1 big.bin | sha256)" "$(cat "$FIXTURES/big.sha256")"
}

push_index() {
  build multi:amd64 amd64 "$FIXTURES/rootfs.tar"
  build multi:arm64 arm64 "$FIXTURES/other.tar"
  buildah manifest create list "$REPO/multi:amd64" "$REPO/multi:arm64"
  buildah manifest push --all --format oci list "docker://$REPO/multi:v1"
  same platforms "$(api GET multi/manifests/v1 | jq -r '.manifests[].platform.architecture')" $'amd64\narm64'
}

pull_index() {
  buildah rmi --force "$REPO/multi:amd64" "$REPO/multi:arm64"
  buildah pull --arch arm64 "$REPO/multi:v1"
  same hello.txt "$(file_in multi:v1 hello.txt)" "$(tar -xOf "$FIXTURES/other.tar" hello.txt)"
}

list_tags() {
  local tag
  for tag in "${TAGS[@]}"; do buildah push "$REPO/small:v1" "docker://$REPO/tags:$tag"; done
  same tags "$(tags_of tags)" "$(sorted "${TAGS[@]}")"
}

pull_deleted() {
  local digest
  digest=$(digest_of tags latest)
  remove tags latest
  refused buildah pull --policy always "$REPO/tags:latest"
  remove tags "$digest"
  refused buildah pull --policy always "$REPO/tags@$digest"
  same tags "$(tags_of tags)" ""
}

push_again() {
  buildah push "$REPO/small:v1" "docker://$REPO/tags:latest"
  buildah pull "$REPO/tags:latest"
}

step "buildah push a small image of two layers" push_small
step "buildah pull a small image" pull_small
step "buildah pull by digest" pull_by_digest
step "buildah push a 300 MB layer" push_big
step "buildah pull a 300 MB layer" pull_big
step "buildah push a multi-arch index" push_index
step "buildah pull from a multi-arch index" pull_index
step "buildah push several tags, listed in lexical order" list_tags
step "buildah pull of a deleted tag and digest is refused" pull_deleted
step "buildah push again after the delete" push_again
