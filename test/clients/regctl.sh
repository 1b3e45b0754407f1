#!/usr/bin/env bash
# regctl: blobs, monolithic and chunked uploads, indexes, artifacts and referrers, paging, deletes, sha512.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need regctl

export REGCTL_CONFIG=$WORK/regctl.json
regctl registry set "$REGISTRY" --tls disabled

layout() { echo "ocidir://$FIXTURES/$1:v1"; }

file_of() { regctl image get-file "$REPO/$1" "$2"; }

push_small() {
  regctl image copy "$(layout small)" "$REPO/small:v1"
  same digest "$(regctl image digest "$REPO/small:v1")" "$(fixture_digest small)"
  same "digest by HEAD" "$(digest_of small v1)" "$(fixture_digest small)"
}

pull_small() {
  regctl image copy "$REPO/small:v1" "ocidir://$WORK/small:v1"
  same digest "$(regctl image digest "ocidir://$WORK/small:v1")" "$(fixture_digest small)"
  same hello.txt "$(file_of small:v1 hello.txt)" "$(tar -xOf "$FIXTURES/rootfs.tar" hello.txt)"
}

pull_by_digest() {
  local digest
  digest=$(fixture_digest small)
  same "sha256 of the manifest" "sha256:$(regctl manifest get --format raw-body "$REPO/small@$digest" | sha256)" "$digest"
}

push_big() {
  regctl image copy "$(layout big)" "$REPO/big:v1"
  same digest "$(regctl image digest "$REPO/big:v1")" "$(fixture_digest big)"
}

pull_big() { same "sha256 of big.bin" "$(file_of "$1" big.bin | sha256)" "$(cat "$FIXTURES/big.sha256")"; }

# Chunks of 7 MB: a POST, 43 PATCHes with Content-Range, a PUT.
push_chunked() {
  regctl registry set "$REGISTRY" --blob-max 1 --blob-chunk 7000000
  regctl image copy "$(layout big)" "$REPO/chunked:v1"
  regctl registry set "$REGISTRY" --blob-max -1 --blob-chunk 0
  same digest "$(regctl image digest "$REPO/chunked:v1")" "$(fixture_digest big)"
}

# From stdin the length is not known beforehand.
blobs() {
  local digest
  digest=$(regctl blob put "$REPO/blobs" <"$FIXTURES/rootfs.tar")
  same digest "$digest" "sha256:$(sha256 <"$FIXTURES/rootfs.tar")"
  regctl blob head "$REPO/blobs" "$digest"
  same content "$(regctl blob get "$REPO/blobs" "$digest" | sha256)" "${digest#sha256:}"
  regctl blob delete "$REPO/blobs" "$digest"
  refused regctl blob head "$REPO/blobs" "$digest"
  same "GET" "$(api_status GET "blobs/blobs/$digest")" 404
  same "digest of the second push" "$(regctl blob put "$REPO/blobs" <"$FIXTURES/rootfs.tar")" "$digest"
  same content "$(regctl blob get "$REPO/blobs" "$digest" | sha256)" "${digest#sha256:}"
}

push_index() {
  regctl image copy "$(layout multi)" "$REPO/multi:v1"
  same digest "$(regctl image digest "$REPO/multi:v1")" "$(fixture_digest multi)"
  same architecture "$(regctl image inspect --platform linux/arm64 "$REPO/multi:v1" | jq -r .architecture)" arm64
  regctl image copy "$REPO/multi:v1" "ocidir://$WORK/multi:v1"
  same "digest of the copy" "$(regctl image digest "ocidir://$WORK/multi:v1")" "$(fixture_digest multi)"
}

create_index() {
  regctl index create "$REPO/index:v1" --ref "$REPO/multi:v1" --platform linux/amd64 --platform linux/arm64
  regctl index add "$REPO/index:v1" --ref "$(layout other)"
  same entries "$(regctl manifest get --format raw-body "$REPO/index:v1" | jq '.manifests | length')" 3
}

artifact_types() {
  regctl artifact list "$REPO/small:v1" "$@" --format '{{range .Descriptors}}{{println .ArtifactType}}{{end}}' | sort
}

referrers() {
  local subject
  subject=$(fixture_digest small)
  echo '{"sbom": true}' >"$WORK/sbom.json"
  echo '{"signed": true}' >"$WORK/signature.json"
  regctl artifact put --subject "$REPO/small:v1" --artifact-type application/example.sbom -f "$WORK/sbom.json"
  regctl artifact put --subject "$REPO/small:v1" --artifact-type application/example.signature -f "$WORK/signature.json"
  same "all types" "$(artifact_types)" $'application/example.sbom\napplication/example.signature'
  same "one type" "$(artifact_types --filter-artifact-type application/example.sbom)" application/example.sbom
  same content "$(regctl artifact get --subject "$REPO/small:v1" --filter-artifact-type application/example.sbom)" '{"sbom": true}'
  contains "$(regctl artifact tree "$REPO/small:v1")" application/example.signature
  same "by the referrers API" "$(api GET "small/referrers/$subject" | jq '.manifests | length')" 2
  same "tags, none of the fallback schema" "$(regctl tag ls "$REPO/small")" v1
}

copy_referrers() {
  regctl image copy --referrers "$REPO/small:v1" "$REPO/referred:v1"
  same referrers "$(api GET "referred/referrers/$(fixture_digest small)" | jq '.manifests | length')" 2
}

delete_referrer() {
  local artifact
  artifact=$(regctl artifact list "$REPO/small:v1" --filter-artifact-type application/example.sbom \
    --format '{{(index .Descriptors 0).Digest}}')
  regctl manifest delete --referrers "$REPO/small@$artifact"
  same "types left" "$(artifact_types)" application/example.signature
}

sha512() {
  regctl image mod "$REPO/small:v1" --digest-algo sha512 --create "$REPO/sha512:v1"
  contains "$(regctl image digest "$REPO/sha512:v1")" '^sha512:[0-9a-f]{128}$'
  same hello.txt "$(file_of sha512:v1 hello.txt)" "$(tar -xOf "$FIXTURES/rootfs.tar" hello.txt)"
}

compression() {
  local format
  for format in none zstd; do
    regctl image mod "$REPO/small:v1" --layer-compress "$format" --create "$REPO/compression:$format"
    same hello.txt "$(file_of "compression:$format" hello.txt)" "$(tar -xOf "$FIXTURES/rootfs.tar" hello.txt)"
  done
  contains "$(api GET compression/manifests/none)" '"application/vnd.oci.image.layer.v1.tar"'
  contains "$(api GET compression/manifests/zstd)" '"application/vnd.oci.image.layer.v1.tar\+zstd"'
}

list_tags() {
  local tag want
  want=$(sorted "${TAGS[@]}")
  for tag in "${TAGS[@]}"; do regctl image copy "$(layout other)" "$REPO/tags:$tag"; done
  same tags "$(regctl tag ls "$REPO/tags")" "$want"
  same "a page of two" "$(regctl tag ls --limit 2 "$REPO/tags")" "$(head -n 2 <<<"$want")"
  same "the next page" "$(regctl tag ls --limit 2 --last 1.2 "$REPO/tags")" "$(sed -n 3,4p <<<"$want")"
}

copy() {
  regctl image copy "$REPO/small:v1" "$REPO/copy:v1"
  regctl image copy "$REPO/copy:v1" "$REPO/copy:v2"
  regctl image copy "$REPO/big:v1" "$REPO/copy:big"
  same digest "$(regctl image digest "$REPO/copy:v2")" "$(fixture_digest small)"
  pull_big copy:big
}

catalog() {
  same repositories "$(regctl repo ls --limit 1000 "$REGISTRY" | our_repositories)" \
    "$(sorted big chunked compression copy index multi referred sha512 small tags)"
}

delete_tag() {
  regctl tag delete "$REPO/copy:v2"
  gone copy v2
  same "digest of the other tag" "$(regctl image digest "$REPO/copy:v1")" "$(fixture_digest small)"
}

delete_digest() {
  local digest
  digest=$(fixture_digest small)
  regctl manifest delete "$REPO/copy@$digest"
  gone copy "$digest"
  gone copy v1
  refused regctl manifest get "$REPO/copy:v1"
}

push_again() {
  regctl image copy "$(layout small)" "$REPO/copy:v1"
  same digest "$(regctl image digest "$REPO/copy:v1")" "$(fixture_digest small)"
}

step "regctl push a small image" push_small
step "regctl pull a small image" pull_small
step "regctl pull by digest" pull_by_digest
step "regctl push a 300 MB layer" push_big
step "regctl pull a 300 MB layer" pull_big big:v1
step "regctl push a 300 MB layer in chunks" push_chunked
step "regctl pull the layer pushed in chunks" pull_big chunked:v1
step "regctl blob put, head, get, delete, put again" blobs
step "regctl push and pull a multi-arch index" push_index
step "regctl index create" create_index
step "regctl artifact put and list with a subject" referrers
step "regctl copy an image with its referrers" copy_referrers
step "regctl delete a referrer" delete_referrer
step "regctl push and pull with sha512" sha512
step "regctl push and pull uncompressed and zstd layers" compression
step "regctl tag ls, in lexical order and pages" list_tags
step "regctl copy between repositories" copy
step "regctl repo ls" catalog
step "regctl delete a tag" delete_tag
step "regctl delete a digest" delete_digest
step "regctl push again after the delete" push_again
