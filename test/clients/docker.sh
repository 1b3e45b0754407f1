#!/usr/bin/env bash
# docker: both image stores of the engine. The classic one uploads by POST, PATCH, PUT, the one of containerd
# by POST, PUT; manifest lists are pushed by the command line client itself.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/dockerd.sh"
need docker dockerd containerd

# file_in IMAGE NAME [OPTION...]: a file of an image, by way of a container that is never started
file_in() {
  local container
  container=$(docker create --network none "${@:3}" "$1" /none)
  docker cp "$container:/$2" - | tar -xOf -
  docker rm "$container" >/dev/null
}

# push IMAGE: docker says the digest of what it pushed; the registry must agree
push() {
  docker push "$REPO/$1" | tee "$WORK/push.log"
  contains "$(cat "$WORK/push.log")" "digest: $(digest_of "${1%:*}" "${1#*:}") "
}

again() {
  docker rmi --force "$REPO/$1"
  docker pull "$REPO/$1"
}

push_small() {
  docker import "$FIXTURES/rootfs.tar" "$REPO/small:v1"
  push small:v1
}

pull_small() {
  again small:v1
  same hello.txt "$(file_in "$REPO/small:v1" hello.txt)" "$(tar -xOf "$FIXTURES/rootfs.tar" hello.txt)"
  contains "$(docker image inspect --format '{{.RepoDigests}}' "$REPO/small:v1")" "$(digest_of small v1)"
}

pull_by_digest() {
  local image
  image=$REPO/small@$(digest_of small v1)
  docker rmi --force "$REPO/small:v1"
  docker pull "$image"
  same hello.txt "$(file_in "$image" hello.txt)" "$(tar -xOf "$FIXTURES/rootfs.tar" hello.txt)"
  docker tag "$image" "$REPO/small:v1"
}

push_big() {
  docker import "$FIXTURES/big.tar" "$REPO/big:v1"
  push big:v1
}

pull_big() {
  again big:v1
  same "sha256 of big.bin" "$(file_in "$REPO/big:v1" big.bin | sha256)" "$(cat "$FIXTURES/big.sha256")"
  docker rmi --force "$REPO/big:v1"
}

push_index() {
  docker import --platform linux/amd64 "$FIXTURES/rootfs.tar" "$REPO/multi:amd64"
  docker import --platform linux/arm64 "$FIXTURES/other.tar" "$REPO/multi:arm64"
  docker push "$REPO/multi:amd64"
  docker push "$REPO/multi:arm64"
  docker manifest create --insecure "$REPO/multi:v1" "$REPO/multi:amd64" "$REPO/multi:arm64"
  docker manifest annotate --arch arm64 "$REPO/multi:v1" "$REPO/multi:arm64" # older engines import for their own only
  docker manifest push --insecure "$REPO/multi:v1"
  same platforms "$(docker manifest inspect --insecure "$REPO/multi:v1" | jq -r '.manifests[].platform.architecture' | sort)" $'amd64\narm64'
}

pull_index() {
  docker rmi --force "$REPO/multi:amd64" "$REPO/multi:arm64"
  docker pull --platform linux/arm64 "$REPO/multi:v1"
  same hello.txt "$(file_in "$REPO/multi:v1" hello.txt --platform linux/arm64)" "$(tar -xOf "$FIXTURES/other.tar" hello.txt)"
}

list_tags() {
  local tag
  for tag in "${TAGS[@]}"; do docker tag "$REPO/small:v1" "$REPO/tags:$tag"; done
  docker push --all-tags "$REPO/tags"
  same tags "$(tags_of tags)" "$(sorted "${TAGS[@]}")"
}

copy() {
  again small:v1
  docker tag "$REPO/small:v1" "$REPO/copy:v1"
  push copy:v1
  contains "$(cat "$WORK/push.log")" "Mounted from $NAMESPACE/"
}

# docker has no command to delete in a registry.
pull_deleted() {
  local digest
  digest=$(digest_of copy v1)
  docker tag "$REPO/copy:v1" "$REPO/copy:v2"
  push copy:v2
  remove copy v2
  refused docker pull "$REPO/copy:v2"
  remove copy "$digest"
  gone copy v1
  refused docker pull "$REPO/copy@$digest"
}

push_again() {
  push copy:v1
  again copy:v1
}

trap stop_dockerd EXIT
trap 'exit 143' TERM
base=$NAMESPACE

for store in graphdriver containerd; do
  NAMESPACE=$base/$store
  REPO=$REGISTRY/$NAMESPACE
  docker="docker ($store)"
  start_dockerd "$store"
  step "$docker engine starts" engine_up "$store"
  step "$docker push a small image" push_small
  step "$docker pull a small image" pull_small
  step "$docker pull by digest" pull_by_digest
  step "$docker push a 300 MB layer" push_big
  step "$docker pull a 300 MB layer" pull_big
  step "$docker push a multi-arch list" push_index
  step "$docker pull from a multi-arch list" pull_index
  step "$docker push all tags, listed in lexical order" list_tags
  step "$docker copy between repositories" copy
  step "$docker pull of a deleted tag and digest is refused" pull_deleted
  step "$docker push again after the delete" push_again
  stop_dockerd
done
