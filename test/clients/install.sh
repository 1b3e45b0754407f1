#!/usr/bin/env bash
# install.sh: installs what run.sh needs and this machine lacks.
# Programs of the distribution come by apt-get (Debian or a relative, as root), the others are built by Go
# into ${REGISTRYD_TOOLS:-~/.cache/registryd-tools}. What is there already is kept, whatever its version.
set -euo pipefail

declare -A clients=(
  [crane]=github.com/google/go-containerregistry/cmd/crane@v0.22.1
  [regctl]=github.com/regclient/regclient/cmd/regctl@v0.11.7
  [helm]=helm.sh/helm/v3/cmd/helm@v3.22.0
  [cosign]=github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5
)
dockerd=github.com/moby/moby/v2/cmd/dockerd@v2.0.0-beta.24

tools=${REGISTRYD_TOOLS:-$HOME/.cache/registryd-tools}
PATH=$tools:$PATH

have() { command -v "$1" >/dev/null; }

# package_of PROGRAM
package_of() {
  case $1 in
    docker) if apt-cache show docker-cli >/dev/null 2>&1; then echo docker-cli; else echo docker.io; fi ;;
    dockerd) echo docker.io ;;
    *) echo "$1" ;;
  esac
}

install_packages() {
  local program missing=() packages=()
  for program in docker dockerd containerd podman buildah skopeo jq curl openssl; do
    have "$program" || missing+=("$program")
  done
  ((${#missing[@]} > 0)) || return 0
  if ! have apt-get || ((EUID != 0)); then
    echo "Please install ${missing[*]}: this script can do it only as root on Debian and its relatives." >&2
    return 1
  fi
  apt-get update
  for program in "${missing[@]}"; do packages+=("$(package_of "$program")"); done
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}"
}

# build DIR MODULE@VERSION: a static binary without symbols
build() {
  echo "building $2"
  GOBIN=$1 CGO_ENABLED=0 nice go install -ldflags='-s -w' "$2"
}

# build_engine: the image store of containerd came with Docker 24, and distributions may have an older one.
build_engine() {
  local major
  major=$(dockerd --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
  ((major >= 24)) || [[ -x $tools/engine/dockerd ]] || build "$tools/engine" "$dockerd"
}

build_tools() {
  local name
  if ! have go; then
    echo "Please install Go, https://go.dev/dl: crane, regctl, helm and cosign are built from their sources." >&2
    return 1
  fi
  mkdir -p "$tools/engine"
  for name in "${!clients[@]}"; do have "$name" || build "$tools" "${clients[$name]}"; done
  build_engine
}

install_packages
build_tools
echo "all clients are installed"
