#!/usr/bin/env bash
# crane: uploads by POST, one PATCH, PUT; mounts, indexes, tags, catalog, deletes.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need crane

crane() { command crane --insecure "$@"; }

push_small() {
  crane push "$FIXTURES/small" "$REPO/small:v1"
  same digest "$(crane digest "$REPO/small:v1")" "$(fixture_digest small)"
  same "digest by HEAD" "$(digest_of small v1)" "$(fixture_digest small)"
}

pull_small() {
  crane validate --remote "$REPO/small:v1"
  crane export "$REPO/small:v1" "$WORK/small.tar"
  same hello.txt "$(tar -xOf "$WORK/small.tar" hello.txt)" "$(tar -xOf "$FIXTURES/rootfs.tar" hello.txt)"
}

pull_by_digest() {
  local digest
  digest=$(fixture_digest small)
  same "sha256 of the manifest" "sha256:$(crane manifest "$REPO/small@$digest" | sha256)" "$digest"
}

push_big() {
  crane push "$FIXTURES/big" "$REPO/big:v1"
  same digest "$(crane digest "$REPO/big:v1")" "$(fixture_digest big)"
}

pull_big() {
  same "sha256 of big.bin" "$(crane export "$REPO/big:v1" - | tar -xOf - big.bin | sha256)" "$(cat "$FIXTURES/big.sha256")"
}

append() {
  crane append --oci-empty-base -f "$FIXTURES/rootfs.tar" -t "$REPO/append:v1"
  crane append -b "$REPO/append:v1" -f "$FIXTURES/other.tar" -t "$REPO/append:v2"
  crane mutate "$REPO/append:v2" --label a=b -t "$REPO/append:v3"
  same layers "$(crane manifest "$REPO/append:v3" | jq '.layers | length')" 2
  crane validate --remote "$REPO/append:v3"
}

push_index() {
  crane push "$FIXTURES/multi" "$REPO/multi:v1"
  same digest "$(crane digest "$REPO/multi:v1")" "$(fixture_digest multi)"
  same architecture "$(crane config --platform linux/arm64 "$REPO/multi:v1" | jq -r .architecture)" arm64
  crane pull --format=oci "$REPO/multi:v1" "$WORK/multi"
  same "digest of the copy" "$(jq -r '.manifests[0].digest' "$WORK/multi/index.json")" "$(fixture_digest multi)"
}

append_index() {
  crane index append -m "$REPO/small:v1" -m "$REPO/append:v3" -t "$REPO/index:v1"
  same entries "$(crane manifest "$REPO/index:v1" | jq '.manifests | length')" 2
}

push_referrer() {
  crane push "$FIXTURES/sbom" "$REPO/small:sbom"
  same referrers "$(api GET "small/referrers/$(fixture_digest small)" | jq -r '.manifests[] | .digest + " " + .artifactType')" \
    "$(fixture_digest sbom) application/spdx+json"
  same "tags, none of the fallback schema" "$(crane ls "$REPO/small")" "$(sorted sbom v1)"
}

list_tags() {
  local tag
  for tag in "${TAGS[@]}"; do crane push "$FIXTURES/other" "$REPO/tags:$tag"; done
  same tags "$(crane ls "$REPO/tags")" "$(sorted "${TAGS[@]}")"
}

copy() {
  crane copy "$REPO/small:v1" "$REPO/copy:v1"
  crane copy --all-tags "$REPO/tags" "$REPO/copy"
  crane copy "$REPO/big:v1" "$REPO/copy:big"
  crane tag "$REPO/copy:v1" v2
  same tags "$(crane ls "$REPO/copy")" "$(sorted "${TAGS[@]}" v1 v2 big)"
  same digest "$(crane digest "$REPO/copy:v2")" "$(fixture_digest small)"
}

catalog() {
  same repositories "$(crane catalog "$REGISTRY" | our_repositories)" \
    "$(sorted append big copy index multi small tags)"
}

delete_tag() {
  crane delete "$REPO/copy:v2"
  gone copy v2
  same "digest of the other tag" "$(crane digest "$REPO/copy:v1")" "$(fixture_digest small)"
}

delete_digest() {
  local digest
  digest=$(fixture_digest small)
  crane delete "$REPO/copy@$digest"
  gone copy "$digest"
  gone copy v1
  refused crane manifest "$REPO/copy:v1"
  same "the original" "$(crane digest "$REPO/small:v1")" "$digest"
}

push_again() {
  crane push "$FIXTURES/small" "$REPO/copy:v1"
  crane validate --remote "$REPO/copy:v1"
}

step "crane push a small image" push_small
step "crane pull a small image" pull_small
step "crane pull by digest" pull_by_digest
step "crane push a 300 MB layer" push_big
step "crane pull a 300 MB layer" pull_big
step "crane append and mutate" append
step "crane push and pull a multi-arch index" push_index
step "crane index append" append_index
step "crane push an artifact with a subject" push_referrer
step "crane ls, in lexical order" list_tags
step "crane copy between repositories" copy
step "crane catalog" catalog
step "crane delete a tag" delete_tag
step "crane delete a digest" delete_digest
step "crane push again after the delete" push_again
