#!/usr/bin/env bash
# Several clients at once in one repository: the same image, and different images under one tag.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/containers.sh"
need crane regctl skopeo

export REGCTL_CONFIG=$WORK/regctl.json
regctl registry set "$REGISTRY" --tls disabled

with_crane() { crane push --insecure "$FIXTURES/$1" "$REPO/$2"; }
with_regctl() { regctl image copy "ocidir://$FIXTURES/$1:v1" "$REPO/$2"; }
with_skopeo() { skopeo copy "oci:$FIXTURES/$1:v1" "docker://$REPO/$2"; }

# at_once COMMAND...: each is a word list of its own; all must succeed
at_once() {
  local command pids=() pid failed=0
  for command; do
    # shellcheck disable=SC2086 # split on purpose
    $command &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || failed=$((failed + 1)); done
  same "failed clients" "$failed" 0
}

same_image() {
  at_once "with_crane big same:v1" "with_skopeo big same:v1" "with_regctl big same:v1"
  same digest "$(digest_of same v1)" "$(fixture_digest big)"
  crane validate --insecure --remote "$REPO/same:v1"
}

same_tag() {
  local round got
  for round in {1..10}; do
    at_once "with_crane small tag:v$round" "with_skopeo other tag:v$round" "with_regctl multi tag:v$round"
    got=$(digest_of tag "v$round")
    contains "$(fixture_digest small) $(fixture_digest other) $(fixture_digest multi)" "$got"
    crane validate --insecure --remote "$REPO/tag:v$round"
  done
  same tags "$(tags_of tag)" "$(sorted v{1..10})"
}

move_tag() {
  local round
  for round in {1..10}; do
    crane tag --insecure "$REPO/moving@$(fixture_digest small)" latest
    crane tag --insecure "$REPO/moving@$(fixture_digest other)" latest
  done
}

pull_tag() {
  local round
  for round in {1..10}; do skopeo copy "docker://$REPO/moving:latest" "dir:$WORK/moving.$round"; done
}

moving_tag() {
  with_crane small moving:latest
  with_crane other moving:latest
  at_once move_tag pull_tag
  same "digest in the end" "$(digest_of moving latest)" "$(fixture_digest other)"
}

step "crane, skopeo and regctl push the same 300 MB layer at once" same_image
step "crane, skopeo and regctl push different images to one tag at once" same_tag
step "skopeo pulls a tag while crane moves it" moving_tag
