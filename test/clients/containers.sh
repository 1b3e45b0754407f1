# A home of their own for skopeo, podman and buildah: nothing of the user's is read or changed.
# shellcheck shell=bash

# Root's cache of which blob is where is one for the machine: a mount namespace gives the script its own.
if ((EUID == 0)); then
  [[ -n ${OWN_MOUNTS:-} ]] || OWN_MOUNTS=1 exec unshare --mount bash "$0"
  mkdir -p "$WORK/cache" /var/lib/containers/cache
  mount --bind "$WORK/cache" /var/lib/containers/cache
fi

export HOME=$WORK/home TMPDIR=$WORK
export XDG_RUNTIME_DIR=$WORK/runtime
export REGISTRY_AUTH_FILE=$WORK/auth.json
export CONTAINERS_STORAGE_CONF=$WORK/storage.conf

mkdir -p "$HOME/.config/containers" "$XDG_RUNTIME_DIR"
echo '{}' >"$REGISTRY_AUTH_FILE"
echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$HOME/.config/containers/policy.json"

cat >"$HOME/.config/containers/registries.conf" <<END
[[registry]]
location = "$REGISTRY"
insecure = true

[[registry]]
location = "${OTHER_REGISTRY:-$REGISTRY}"
insecure = true
END

# vfs is slow, and works everywhere.
cat >"$CONTAINERS_STORAGE_CONF" <<END
[storage]
driver = "vfs"
graphroot = "$WORK/storage"
runroot = "$WORK/run"
END
