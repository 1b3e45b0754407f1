#!/usr/bin/env bash
# helm: charts by version, range, digest and with provenance; deletes and a second push.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need helm

export HELM_CACHE_HOME=$WORK/cache HELM_CONFIG_HOME=$WORK/config HELM_DATA_HOME=$WORK/data
export HELM_REGISTRY_CONFIG=$WORK/registry.json
charts=oci://$REPO
mkdir -p "$WORK/pulled" "$WORK/demo/templates"

# package VERSION
package() {
  cat >"$WORK/demo/Chart.yaml" <<END
apiVersion: v2
name: demo
version: $1
description: A chart of one ConfigMap
END
  cat >"$WORK/demo/templates/configmap.yaml" <<'END'
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  version: {{ .Chart.Version | quote }}
END
  helm package "$WORK/demo" --destination "$WORK"
}

push() { helm push "$WORK/demo-$1.tgz" "$charts" --plain-http; }

pull() { helm pull "$charts/$1" --plain-http --destination "$WORK/pulled" "${@:2}"; }

# unchanged VERSION: what was pulled last is what was packaged
unchanged() {
  same "sha256 of demo-$1.tgz" "$(sha256 <"$WORK/pulled/demo-$1.tgz")" "$(sha256 <"$WORK/demo-$1.tgz")"
  rm "$WORK/pulled/demo-$1.tgz"
}

push_chart() {
  local output digest
  package 1.0.0
  output=$(push 1.0.0 2>&1)
  digest=$(sed -n 's/^Digest: //p' <<<"$output")
  same "digest by HEAD" "$(digest_of demo 1.0.0)" "$digest"
}

pull_chart() {
  pull demo --version 1.0.0
  unchanged 1.0.0
  contains "$(helm show chart "$charts/demo" --plain-http --version 1.0.0)" '^version: 1.0.0$'
  contains "$(helm template release "$charts/demo" --plain-http --version 1.0.0)" 'version: "1.0.0"'
}

pull_by_digest() {
  pull "demo@$(digest_of demo 1.0.0)"
  same "sha256" "$(sha256 <"$WORK"/pulled/*.tgz)" "$(sha256 <"$WORK/demo-1.0.0.tgz")"
  rm "$WORK"/pulled/*.tgz
}

# A plus sign is no part of a tag: helm writes it as an underscore.
versions() {
  local version
  for version in 1.10.0 1.2.0 2.0.0+build.7; do
    package "$version"
    push "$version"
  done
  same tags "$(tags_of demo)" "$(sorted 1.0.0 1.10.0 1.2.0 2.0.0_build.7)"
  pull demo --version '~1'
  unchanged 1.10.0
  pull demo --version 2.0.0+build.7
  unchanged 2.0.0+build.7
  pull demo
  unchanged 2.0.0+build.7
}

provenance() {
  package 3.0.0
  echo 'stands for a signature' >"$WORK/demo-3.0.0.tgz.prov"
  push 3.0.0
  pull demo --version 3.0.0 --prov
  unchanged 3.0.0
  same provenance "$(cat "$WORK/pulled/demo-3.0.0.tgz.prov")" 'stands for a signature'
}

pull_deleted() {
  local digest
  digest=$(digest_of demo 1.0.0)
  remove demo 1.2.0
  refused pull demo --version 1.2.0
  remove demo "$digest"
  refused pull demo --version 1.0.0
  refused pull "demo@$digest"
}

push_again() {
  push 1.0.0
  pull demo --version 1.0.0
  unchanged 1.0.0
}

step "helm push a chart" push_chart
step "helm pull, show and template a chart" pull_chart
step "helm pull by digest" pull_by_digest
step "helm pull by version range" versions
step "helm push and pull with provenance" provenance
step "helm pull of a deleted tag and digest is refused" pull_deleted
step "helm push again after the delete" push_again
