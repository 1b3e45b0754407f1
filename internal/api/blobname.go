package api

import (
	"context"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// blobName is what a client calls a blob: its digest or, as old clients do, a TarSum. Exactly one of its fields is set. Whether TarSums are taken is for
// storage to say.
type blobName struct {
	digest digest.Digest
	tarSum reference.TarSum
}

func (n blobName) String() string { return n.digest.String() + n.tarSum.String() }

func parseBlobName(s string) (n blobName, err error) {
	if strings.HasPrefix(s, "tarsum") {
		n.tarSum, err = reference.ParseTarSum(s)
	} else {
		n.digest, err = reference.ParseDigest(s)
	}
	return n, err
}

// queryBlobName reads a parameter of the query. Old clients leave the plus of a TarSum as it is, which means a space there.
func queryBlobName(s string) (blobName, error) {
	if strings.HasPrefix(s, "tarsum") {
		s = strings.ReplaceAll(s, " ", "+")
	}
	n, err := parseBlobName(s)
	if err != nil {
		return blobName{}, referenceError(err)
	}
	return n, nil
}

// algorithm is what the bytes of an upload that is to get this name are hashed with.
func (n blobName) algorithm() digest.Algorithm {
	if n.tarSum != "" {
		return digest.SHA256
	}
	return n.digest.Algorithm()
}

// commit closes an upload under this name.
func (n blobName) commit(ctx context.Context, repository *storage.Repository, up storage.Upload, chunk storage.Chunk) (storage.Descriptor, storage.Upload, error) {
	if n.tarSum != "" {
		return repository.CommitTarSum(ctx, up, n.tarSum, chunk)
	}
	return repository.Commit(ctx, up, n.digest, chunk)
}

// mount makes the blob of this name one of a repository. TarSums are known in the repository it comes from alone.
func (n blobName) mount(ctx context.Context, repository *storage.Repository, from reference.Name) (storage.Descriptor, error) {
	if n.tarSum != "" {
		return repository.MountTarSum(ctx, n.tarSum, from)
	}
	return repository.MountBlob(ctx, n.digest, from)
}

// resolve finds the digest of a blob that the path calls by a TarSum.
func (h *handler) resolve(ctx context.Context, r route) (route, error) {
	if r.tarSum == "" {
		return r, nil
	}
	var err error
	r.digest, err = h.registry.Repository(r.name).TarSum(ctx, r.tarSum)
	return r, err
}
