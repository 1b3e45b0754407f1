#!/usr/bin/env bash
# cosign: two hosts, by way of two nodes where there are two, sign one image at once. Signatures are manifests that refer to it (oci-1-1), or layers of a manifest
# under a tag of the image's digest.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need cosign crane openssl

export COSIGN_PASSWORD='' COSIGN_EXPERIMENTAL=1 HOME=$WORK/home SIGSTORE_NO_CACHE=1
rounds=5
exec 3>&1 # past the log of a step

cosign() { command cosign "$@"; }

# sign HOST IMAGE MODE: each host has a key of its own. Nothing goes to a log or to a time-stamping authority.
sign() {
  cosign sign --key "$WORK/host$1.key" --yes --tlog-upload=false --allow-http-registry --registry-referrers-mode "$3" "$2"
}

# signers REPOSITORY REFERENCE: which host made each of the signatures that a manifest of cosign's holds. openssl tells: cosign itself would ask the network.
signers() {
  local line digest host
  api GET "$1/manifests/$2" | jq -r '.layers[] | .digest + " " + .annotations["dev.cosignproject.cosign/signature"]' >"$WORK/layers"
  while read -r line; do
    digest=${line% *}
    base64 -d <<<"${line#* }" >"$WORK/signature"
    api GET "$1/blobs/$digest" >"$WORK/payload"
    for host in 1 2 nobody; do
      [[ $host != nobody ]] || break
      ! openssl dgst -sha256 -verify "$WORK/host$host.pub" -signature "$WORK/signature" "$WORK/payload" >/dev/null || break
    done
    echo "$host"
  done <"$WORK/layers"
}

keys() {
  local host
  mkdir -p "$HOME"
  for host in 1 2; do (cd "$WORK" && cosign generate-key-pair --output-key-prefix "host$host"); done
}

# at_once MODE IMAGE: both hosts sign; how many of them were told that it went well.
at_once() {
  local pids=() pid signed=0
  sign 1 "$REPO/$2" "$1" &
  pids+=($!)
  sign 2 "$OTHER_REPO/$2" "$1" &
  pids+=($!)
  for pid in "${pids[@]}"; do wait "$pid" && signed=$((signed + 1)); done
  same "hosts that have signed" "$signed" 2
}

# Each signature is a manifest of its own, so none can be lost.
referrers() {
  local round digest signature
  crane push --insecure "$FIXTURES/small" "$REPO/referrers:v1"
  digest=$(fixture_digest small)
  for ((round = 1; round <= rounds; round++)); do
    at_once oci-1-1 "referrers@$digest"
    same "signatures by the referrers API" "$(api GET "referrers/referrers/$digest" | jq '.manifests | length')" $((2 * round))
  done
  for signature in $(api GET "referrers/referrers/$digest" | jq -r '.manifests[].digest'); do signers referrers "$signature"; done | sort >"$WORK/signers"
  same "signatures of each host" "$(uniq -c <"$WORK/signers" | xargs)" "$rounds 1 $rounds 2"
}

# cosign reads the manifest under the tag, adds a layer and writes it back, and has no condition to do that on: of two at once, one may take the other's place
# under the tag. The registry keeps both manifests; what the tag names holds one signature at least, and all that it holds are good.
tag() {
  local round digest lost=0
  digest=$(fixture_digest other)
  for ((round = 1; round <= rounds; round++)); do
    crane push --insecure "$FIXTURES/other" "$REPO/tag$round:v1"
    at_once legacy "tag$round@$digest"
    signers "tag$round" "${digest/:/-}.sig" | sort >"$WORK/signers"
    contains "$(xargs <"$WORK/signers")" '^(1|2|1 2)$'
    (($(wc -l <"$WORK/signers") == 2)) || lost=$((lost + 1))
  done
  echo "of $rounds rounds, cosign lost a signature in $lost" >&3
}

# One after the other, nothing is lost in the tag either.
tag_in_turn() {
  local digest
  crane push --insecure "$FIXTURES/big" "$REPO/turn:v1"
  digest=$(fixture_digest big)
  sign 1 "$REPO/turn@$digest" legacy
  sign 2 "$OTHER_REPO/turn@$digest" legacy
  same "signers" "$(signers turn "${digest/:/-}.sig" | sort | xargs)" "1 2"
}

step "cosign makes the keys of two hosts" keys
step "cosign signs from two hosts at once, with referrers: none is lost" referrers
step "cosign signs from two hosts at once, under a tag: what the tag names is whole" tag
step "cosign signs from two hosts in turn, under a tag: none is lost" tag_in_turn
