#!/usr/bin/env bash
# skopeo: uploads by POST, one PATCH, PUT; conversion, copies, sync, deletes.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/containers.sh"
need skopeo

layout() { echo "oci:$FIXTURES/$1:v1"; }

remote_digest() { skopeo inspect --format '{{.Digest}}' "docker://$REPO/$1"; }

push_small() {
  skopeo copy "$(layout small)" "docker://$REPO/small:v1"
  same digest "$(remote_digest small:v1)" "$(fixture_digest small)"
  same "digest by HEAD" "$(digest_of small v1)" "$(fixture_digest small)"
}

pull_small() {
  skopeo copy "docker://$REPO/small:v1" "oci:$WORK/small:v1"
  same digest "$(jq -r '.manifests[0].digest' "$WORK/small/index.json")" "$(fixture_digest small)"
}

pull_by_digest() {
  local digest
  digest=$(fixture_digest small)
  same "sha256 of the manifest" "sha256:$(skopeo inspect --raw "docker://$REPO/small@$digest" | sha256)" "$digest"
}

push_big() {
  skopeo copy "$(layout big)" "docker://$REPO/big:v1"
  same digest "$(remote_digest big:v1)" "$(fixture_digest big)"
}

# pull_big IMAGE: skopeo itself verifies the digest of the layer, and the file in it is looked at here.
pull_big() {
  local layer
  skopeo copy "docker://$REPO/$1" "dir:$WORK/big"
  layer=$(jq -r '.layers[0].digest' "$WORK/big/manifest.json")
  same "sha256 of big.bin" "$(tar -xOzf "$WORK/big/${layer#sha256:}" big.bin | sha256)" "$(cat "$FIXTURES/big.sha256")"
  rm -r "$WORK/big"
}

push_index() {
  skopeo copy --all "$(layout multi)" "docker://$REPO/multi:v1"
  same digest "sha256:$(skopeo inspect --raw "docker://$REPO/multi:v1" | sha256)" "$(fixture_digest multi)"
  skopeo copy --all "docker://$REPO/multi:v1" "oci:$WORK/multi:v1"
  same "digest of the copy" "$(jq -r '.manifests[0].digest' "$WORK/multi/index.json")" "$(fixture_digest multi)"
  same architecture "$(skopeo --override-arch arm64 inspect --config "docker://$REPO/multi:v1" | jq -r .architecture)" arm64
}

convert() {
  skopeo copy --format v2s2 "$(layout small)" "docker://$REPO/converted:docker"
  contains "$(skopeo inspect --raw "docker://$REPO/converted:docker")" application/vnd.docker.distribution.manifest.v2
  skopeo copy --all --format v2s2 "$(layout multi)" "docker://$REPO/converted:list"
  contains "$(skopeo inspect --raw "docker://$REPO/converted:list")" application/vnd.docker.distribution.manifest.list.v2
  skopeo copy --all "docker://$REPO/converted:list" "dir:$WORK/list"
}

# schema1 pushes through one node and pulls through another. skopeo signs with a key of its own for each push, so the second push adds a signature.
schema1() {
  local push
  for push in 1 2; do
    skopeo copy --format v2s1 "$(layout small)" "docker://$REPO/signed:v1"
    skopeo inspect --raw "docker://$OTHER_REPO/signed:v1" >"$WORK/signed"
    same "media type" "$(api HEAD signed/manifests/v1 --head | tr -d '\r' | sed -n 's/^content-type: //Ip')" application/vnd.docker.distribution.manifest.v1+prettyjws
    same schemaVersion "$(jq .schemaVersion "$WORK/signed")" 1
    same signatures "$(jq '.signatures | length' "$WORK/signed")" "$push"
  done
  same "through both nodes" "$(skopeo inspect --raw "docker://$REPO/signed:v1" | sha256)" "$(sha256 <"$WORK/signed")"
  skopeo copy "docker://$OTHER_REPO/signed:v1" "dir:$WORK/signed.dir"
  same "the manifest is the same" "$(sha256 <"$WORK/signed.dir/manifest.json")" "$(sha256 <"$WORK/signed")"
  same "a layer is that of the image" "$(skopeo inspect "docker://$OTHER_REPO/signed:v1" | jq -r '.Layers[]' | grep -c "$(jq -r '.layers[0].digest' <(skopeo inspect --raw "$(layout small)"))")" 1
}

list_tags() {
  local tag
  for tag in "${TAGS[@]}"; do skopeo copy "$(layout other)" "docker://$REPO/tags:$tag"; done
  same tags "$(skopeo list-tags "docker://$REPO/tags" | jq -r '.Tags[]')" "$(sorted "${TAGS[@]}")"
}

copy() {
  skopeo copy "docker://$REPO/small:v1" "docker://$REPO/copy:v1"
  skopeo copy "docker://$REPO/big:v1" "docker://$REPO/copy:big"
  same digest "$(remote_digest copy:v1)" "$(fixture_digest small)"
  pull_big copy:big
}

sync_repository() {
  skopeo sync --src docker --dest dir "$REPO/tags" "$WORK/sync"
  skopeo sync --src dir --dest docker "$WORK/sync" "$REPO/synced"
  same tags "$(tags_of synced/tags)" "$(sorted "${TAGS[@]}")"
}

# skopeo delete resolves a tag and then deletes the digest, with all its tags.
delete_by_tag() {
  skopeo copy "$(layout small)" "docker://$REPO/copy:v2"
  skopeo delete "docker://$REPO/copy:v2"
  gone copy "$(fixture_digest small)"
  gone copy v1
  gone copy v2
  refused skopeo inspect "docker://$REPO/copy:v2"
}

delete_digest() {
  skopeo delete "docker://$REPO/copy@$(fixture_digest big)"
  gone copy big
}

push_again() {
  skopeo copy "$(layout small)" "docker://$REPO/copy:v1"
  same digest "$(remote_digest copy:v1)" "$(fixture_digest small)"
}

step "skopeo push a small image" push_small
step "skopeo pull a small image" pull_small
step "skopeo pull by digest" pull_by_digest
step "skopeo push a 300 MB layer" push_big
step "skopeo pull a 300 MB layer" pull_big big:v1
step "skopeo push and pull a multi-arch index" push_index
step "skopeo convert to Docker's schema 2 and list" convert
step "skopeo push Docker's schema 1, signed, and pull it through another node" schema1
step "skopeo list-tags, in lexical order" list_tags
step "skopeo copy between repositories" copy
step "skopeo sync a repository there and back" sync_repository
step "skopeo delete a tag with its digest" delete_by_tag
step "skopeo delete a digest" delete_digest
step "skopeo push again after the delete" push_again
