#!/usr/bin/env bash
# fixtures.sh DIR: makes the images that the clients push, from nothing and without any client.
#
#   rootfs.tar           a small root file system: /hello.txt
#   big.tar              one with /big.bin: 300 MiB and a bit of random bytes; its sha256 is in big.sha256
#   small other big      OCI layouts of one image each
#   multi                OCI layout of an index for linux/amd64 and linux/arm64
#   sbom                 OCI layout of an artifact whose subject is the image in small
set -euo pipefail

dir=$1
big_bytes=$((300 * 1024 * 1024 + 12345)) # on no boundary of any part size
manifest_type=application/vnd.oci.image.manifest.v1+json
index_type=application/vnd.oci.image.index.v1+json

sha256() { sha256sum | cut -d' ' -f1; } # of stdin

# tarball FILE NAME: a reproducible tar of one file
tarball() {
  tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C "$(dirname "$2")" -cf "$1" "$(basename "$2")"
}

# blob LAYOUT MEDIATYPE FILE: copies the file into the layout and prints its descriptor
blob() {
  local hex
  hex=$(sha256 <"$3")
  mkdir -p "$1/blobs/sha256"
  cp "$3" "$1/blobs/sha256/$hex"
  jq -nc --arg type "$2" --arg digest "sha256:$hex" --argjson size "$(stat -c %s "$3")" \
    '{mediaType: $type, digest: $digest, size: $size}'
}

# image LAYOUT ARCH TAR: adds config, layer and manifest and prints the descriptor of the manifest
image() {
  local layer config
  gzip -1 -n <"$3" >"$dir/layer.gz"
  layer=$(blob "$1" application/vnd.oci.image.layer.v1.tar+gzip "$dir/layer.gz")
  jq -nc --arg arch "$2" --arg diff "sha256:$(sha256 <"$3")" \
    '{architecture: $arch, os: "linux", config: {Cmd: ["/none"]}, rootfs: {type: "layers", diff_ids: [$diff]},
      history: [{created_by: "fixtures.sh"}]}' >"$dir/config"
  config=$(blob "$1" application/vnd.oci.image.config.v1+json "$dir/config")
  jq -nc --arg type "$manifest_type" --argjson config "$config" --argjson layer "$layer" \
    '{schemaVersion: 2, mediaType: $type, config: $config, layers: [$layer]}' >"$dir/manifest"
  blob "$1" "$manifest_type" "$dir/manifest" | jq -c --arg arch "$2" '.platform = {os: "linux", architecture: $arch}'
}

# artifact LAYOUT SUBJECT: an artifact that points to the subject's descriptor
artifact() {
  local layer config
  echo '{"spdxVersion": "SPDX-2.3"}' >"$dir/layer"
  layer=$(blob "$1" application/spdx+json "$dir/layer")
  printf '{}' >"$dir/config"
  config=$(blob "$1" application/vnd.oci.empty.v1+json "$dir/config")
  jq -nc --arg type "$manifest_type" --argjson config "$config" --argjson layer "$layer" --argjson subject "$2" \
    '{schemaVersion: 2, mediaType: $type, artifactType: "application/spdx+json",
      config: $config, layers: [$layer], subject: $subject}' >"$dir/manifest"
  blob "$1" "$manifest_type" "$dir/manifest"
}

# layout LAYOUT DESCRIPTOR: finishes a layout with one entry, named v1
layout() {
  echo '{"imageLayoutVersion": "1.0.0"}' >"$1/oci-layout"
  jq -nc --arg type "$index_type" --argjson entry "$2" \
    '{schemaVersion: 2, mediaType: $type,
      manifests: [$entry + {annotations: {"org.opencontainers.image.ref.name": "v1"}}]}' >"$1/index.json"
}

multi() {
  local amd64 arm64
  amd64=$(image "$1" amd64 "$dir/rootfs.tar")
  arm64=$(image "$1" arm64 "$dir/other.tar")
  jq -nc --arg type "$index_type" --argjson amd64 "$amd64" --argjson arm64 "$arm64" \
    '{schemaVersion: 2, mediaType: $type, manifests: [$amd64, $arm64]}' >"$dir/index"
  layout "$1" "$(blob "$1" "$index_type" "$dir/index")"
}

mkdir -p "$dir"
echo 'hello from registryd' >"$dir/hello.txt"
tarball "$dir/rootfs.tar" "$dir/hello.txt"
mkdir "$dir/other.root"
echo 'hello from the other one' >"$dir/other.root/hello.txt"
tarball "$dir/other.tar" "$dir/other.root/hello.txt"
head -c "$big_bytes" /dev/urandom >"$dir/big.bin"
sha256 <"$dir/big.bin" >"$dir/big.sha256"
tarball "$dir/big.tar" "$dir/big.bin"
rm "$dir/big.bin"

small=$(image "$dir/small" amd64 "$dir/rootfs.tar")
layout "$dir/small" "$small"
layout "$dir/other" "$(image "$dir/other" amd64 "$dir/other.tar")"
layout "$dir/big" "$(image "$dir/big" amd64 "$dir/big.tar")"
multi "$dir/multi"
layout "$dir/sbom" "$(artifact "$dir/sbom" "$(jq -c 'del(.platform)' <<<"$small")")"
rm -rf "$dir"/{layer,layer.gz,config,manifest,index,other.root}
