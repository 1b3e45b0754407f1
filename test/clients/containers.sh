# A home of their own for skopeo, podman and buildah: nothing of the user's is read or changed.
# shellcheck shell=bash

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
END

# vfs is slow, and works everywhere.
cat >"$CONTAINERS_STORAGE_CONF" <<END
[storage]
driver = "vfs"
graphroot = "$WORK/storage"
runroot = "$WORK/run"
END
