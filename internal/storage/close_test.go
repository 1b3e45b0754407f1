package storage_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
	"github.com/registryd/registryd/internal/tarsum"
)

// twoPieces gives an upload of 17 MiB in two pieces, and the points that its client had on the way: after 8 MiB, and at its only checkpoint.
func twoPieces(t *testing.T, repo *storage.Repository, blob []byte) (early, late storage.Upload) {
	t.Helper()
	early, err := repo.Append(t.Context(), begin(t, repo), storage.WholeBody(bytes.NewReader(blob[:8*mib])))
	must(t, err)
	late, err = repo.Append(t.Context(), early, storage.WholeBody(bytes.NewReader(blob[8*mib:17*mib])))
	must(t, err)
	if early.Seq != 0 || late.Seq != 1 {
		t.Fatalf("the points are behind the checkpoints %d and %d", early.Seq, late.Seq)
	}
	return early, late
}

// put closes an upload as a blob, whose bytes behind the point are the body.
func put(ctx context.Context, repo *storage.Repository, up storage.Upload, want digest.Digest, blob []byte) (storage.Upload, error) {
	chunk := storage.WholeBody(nil)
	if up.Offset < int64(len(blob)) {
		chunk.Body = bytes.NewReader(blob[up.Offset:])
	}
	_, at, err := repo.Commit(ctx, up, want, chunk)
	return at, err
}

// What any node answers for an upload that another has closed, whether that one came to finish or the store failed behind its checkpoint. The client that
// closed it can always do so once more.
func TestClosed(t *testing.T) {
	t.Parallel()
	blob := content(1, 18*mib)
	whole, more := blob[:17*mib], blob
	d := digest.FromBytes(whole)
	appended := func(r *storage.Repository, up storage.Upload) error {
		_, err := r.Append(t.Context(), up, storage.WholeBody(bytes.NewReader(content(7, mib))))
		return err
	}
	type act func(r *storage.Repository, early, late storage.Upload) error
	closing := func(up func(early, late storage.Upload) storage.Upload, want digest.Digest, blob []byte) act {
		return func(r *storage.Repository, early, late storage.Upload) error {
			_, err := put(t.Context(), r, up(early, late), want, blob)
			return err
		}
	}
	first := func(early, _ storage.Upload) storage.Upload { return early }
	last := func(_, late storage.Upload) storage.Upload { return late }
	remote := func(_, late storage.Upload) storage.Upload { return again(t, late, 10) }
	const none = storage.Code(-1)
	for _, c := range []struct {
		name string
		act  act
		want storage.Code
	}{
		{"the same PUT", closing(last, d, whole), none},
		{"the PUT of an older token", closing(first, d, whole), none},
		{"the PUT of a token that leaves the session to its checkpoint", closing(remote, d, whole), none},
		{"a PUT that says where it begins", func(r *storage.Repository, early, _ storage.Upload) error {
			_, _, err := r.Commit(t.Context(), early, d, storage.Chunk{Body: bytes.NewReader(nil), Start: 17 * mib, Length: -1})
			return err
		}, none},
		{"another digest, from where it ends", func(r *storage.Repository, early, _ storage.Upload) error {
			_, _, err := r.Commit(t.Context(), early, digest.FromBytes(more), storage.Chunk{Body: bytes.NewReader(nil), Start: 17 * mib, Length: -1})
			return err
		}, storage.BlobUploadUnknown},
		{"another algorithm", closing(last, digest.SHA512.FromBytes(whole), whole), none},
		{"another digest", closing(last, digest.FromBytes(more), more), storage.BlobUploadUnknown},
		{"a digest that is wrong", closing(last, digest.FromString("wrong"), whole), storage.DigestInvalid},
		{"a stale PATCH", func(r *storage.Repository, _, late storage.Upload) error { return appended(r, late) }, storage.BlobUploadUnknown},
		{"status", func(r *storage.Repository, early, late storage.Upload) error {
			now, err := r.UploadStatus(t.Context(), early)
			if err == nil && now.Offset == late.Offset { // unfinished: it can be closed from there
				if _, err = put(t.Context(), r, now, d, whole); err == nil {
					_, err = r.UploadStatus(t.Context(), early)
				}
			}
			return err
		}, storage.BlobUploadUnknown},
		{"cancel", func(r *storage.Repository, _, late storage.Upload) error {
			return r.CancelUpload(t.Context(), late)
		}, storage.BlobUploadUnknown},
	} {
		for fault, plan := range map[string]drivertest.Plan{
			"finished":       nil,
			"no object":      drivertest.Once(drivertest.On(drivertest.OpCommit, "", drivertest.NotApplied)),
			"an object":      drivertest.Once(drivertest.On(drivertest.OpCommit, "", drivertest.Unanswered)),
			"no pointer":     drivertest.Once(drivertest.On(drivertest.OpPut, "/pointer", drivertest.NotApplied)),
			"no link":        drivertest.Once(drivertest.On(drivertest.OpPut, "/link", drivertest.NotApplied)),
			"no answer only": drivertest.Once(drivertest.On(drivertest.OpPut, "/_uploads/", drivertest.Unanswered)),
		} {
			t.Run(c.name+", "+fault, func(t *testing.T) {
				t.Parallel()
				fake := parts(t)
				node, other := drivertest.NewFaulty(fake, nil), repository(fake)
				early, late := twoPieces(t, repository(node), whole)
				node.SetPlan(plan)
				if _, err := put(t.Context(), repository(node), late, d, whole); (err == nil) != (plan == nil) {
					t.Fatalf("closing it gave %v", err)
				}
				if err := c.act(other, early, late); c.want == none && err != nil || c.want != none && storage.CodeOf(err) != c.want {
					t.Errorf("got %v", err)
				}
				_, err := put(t.Context(), other, late, d, whole)
				must(t, err)
				if got, err := readBlob(t.Context(), other, d); err != nil || !bytes.Equal(got, whole) {
					t.Errorf("the blob is not there: %v", err)
				}
				if _, err := other.UploadStatus(t.Context(), late); storage.CodeOf(err) != storage.BlobUploadUnknown {
					t.Errorf("the status of what is finished: %v", err)
				}
				if n := checkpoints(fake); n != 2 {
					t.Errorf("%d checkpoints, want that of the upload and the last", n)
				}
				sound(t, fake)
			})
		}
	}
}

// Nobody goes on with an upload that was cancelled, at whatever node.
func TestCancelledIsNotClosed(t *testing.T) {
	t.Parallel()
	fake, blob := parts(t), content(1, 18*mib)
	early, late := twoPieces(t, repository(fake), blob)
	must(t, repository(fake).CancelUpload(t.Context(), early))
	for name, up := range map[string]storage.Upload{"with a body": early, "with the last piece": late, "remote": again(t, late, 10)} {
		if _, err := put(t.Context(), repository(fake), up, digest.FromBytes(blob), blob); storage.CodeOf(err) != storage.BlobUploadUnknown {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := put(t.Context(), repository(fake), late, digest.FromBytes(blob[:17*mib]), blob[:17*mib]); storage.CodeOf(err) != storage.BlobUploadUnknown {
		t.Errorf("got %v", err)
	}
	if _, err := readBlob(t.Context(), repository(fake), digest.FromBytes(blob)); storage.CodeOf(err) != storage.BlobUnknown {
		t.Errorf("the blob is there: %v", err)
	}
}

// Wherever the process dies, or the store fails, while it closes an upload: the same PUT succeeds afterwards, at once or from where it is told to go on,
// and what came to nothing is gone with the janitor.
func TestCloseAgain(t *testing.T) {
	t.Parallel()
	blob := content(1, 65*mib)
	for _, c := range []struct {
		name      string
		size      int // bytes of the blob
		patched   int // of these, before
		algorithm digest.Algorithm
		dies      []bool // else it is the store that fails
	}{
		{"two pieces", 17 * mib, 17 * mib, digest.SHA256, []bool{true, false}},
		{"two pieces and the last", 18 * mib, 17 * mib, digest.SHA256, []bool{false}},
		{"a long body", 65 * mib, 0, digest.SHA256, []bool{true, false}},
		{"another algorithm", 17 * mib, 17 * mib, digest.SHA512, []bool{true}},
		{"the last piece, another algorithm", 18 * mib, 17 * mib, digest.SHA512, []bool{false}},
	} {
		for _, dies := range c.dies {
			blob, want := blob[:c.size], c.algorithm.FromBytes(blob[:c.size])
			name := c.name + ", the store fails"
			if dies {
				name = c.name + ", the process dies"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				for n, over := 1, false; !over; n++ {
					for _, outcome := range []drivertest.Outcome{drivertest.NotApplied, drivertest.Unanswered} {
						fake := parts(t)
						up := begin(t, repository(fake))
						if c.patched > 0 {
							_, up = twoPieces(t, repository(fake), blob)
						}
						node, hit := failing(fake, n, outcome, dies)
						_, err := put(t.Context(), repository(node), up, want, blob)
						at, happened := hit()
						if over = !happened; over {
							must(t, err)
						}
						closeAgain(t, fake, up, want, blob, at)
						if t.Failed() {
							return
						}
					}
				}
			})
		}
	}
}

// failing is a driver that dies in its n-th call, or fails there once. The function it gives says which that was.
func failing(d drivers.Driver, n int, outcome drivertest.Outcome, dies bool) (drivers.Driver, func() (drivertest.Call, bool)) {
	if dies {
		f := drivertest.NewFaulty(d, nil)
		f.CrashAt(n, outcome)
		return f, f.Crashed
	}
	var at drivertest.Call
	f := drivertest.NewFaulty(d, func(c drivertest.Call) drivertest.Outcome {
		if c.N != n {
			return drivertest.Pass
		}
		at = c
		return outcome
	})
	return f, func() (drivertest.Call, bool) { return at, at.N > 0 }
}

// closeAgain repeats a PUT that the store failed in, at another node.
func closeAgain(t *testing.T, fake *drivertest.Fake, up storage.Upload, want digest.Digest, blob []byte, failed drivertest.Call) {
	t.Helper()
	repo := repository(fake)
	next, err := put(t.Context(), repo, up, want, blob)
	if storage.CodeOf(err) == storage.RangeInvalid && up.Before(next) {
		_, err = put(t.Context(), repo, next, want, blob)
	}
	if err != nil {
		t.Errorf("failed in %v: the repetition gave %v", failed, err)
	}
	if _, err := at(fake, 26*time.Hour).NewJanitor().Run(t.Context(), storage.JanitorOptions{}); err != nil {
		t.Errorf("failed in %v: %v", failed, err)
	}
	got, err := repo.OpenBlob(t.Context(), want)
	must(t, err)
	defer got.Close()
	verifier := want.Verifier() // without holding it
	if n, err := io.Copy(verifier, got); err != nil || n != int64(len(blob)) || !verifier.Verified() {
		t.Errorf("failed in %v: the blob is not there: %v", failed, err)
	}
	if n := checkpoints(fake); n > 0 {
		t.Errorf("failed in %v: %d checkpoints are left", failed, n)
	}
}

// The same with the name that old clients give: the last piece comes again, after the object was made.
func TestCloseAgainAsTarSum(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	must(t, w.WriteHeader(&tar.Header{Name: "a", Mode: 0o644, Size: 18 * mib}))
	_, err := w.Write(content(1, 18*mib))
	must(t, errors.Join(err, w.Close()))
	blob := b.Bytes()
	sum, err := tarsum.Compute(bytes.NewReader(blob), reference.TarSumV1)
	must(t, err)
	for n, over := 1, false; !over; n++ {
		fake := parts(t)
		node := func(d drivers.Driver) *storage.Repository {
			return storage.New(d, storage.Options{Rules: manifest.Rules{TarSums: true}}).Repository(repoName)
		}
		_, up := twoPieces(t, node(fake), blob)
		commit := func(repo *storage.Repository, up storage.Upload) (storage.Descriptor, storage.Upload, error) {
			return repo.CommitTarSum(t.Context(), up, sum, storage.WholeBody(bytes.NewReader(blob[up.Offset:])))
		}
		faulty, hit := failing(fake, n, drivertest.Unanswered, false)
		_, _, _ = commit(node(faulty), up)
		at, happened := hit()
		over = !happened
		got, next, err := commit(node(fake), up)
		if storage.CodeOf(err) == storage.RangeInvalid && up.Before(next) {
			got, _, err = commit(node(fake), next)
		}
		if want := digest.FromBytes(blob); err != nil || got.Digest != want {
			t.Fatalf("failed in %v: the repetition gave %v, %v", at, got, err)
		}
		d, err := node(fake).TarSum(t.Context(), sum)
		must(t, err)
		if read, err := readBlob(t.Context(), node(fake), d); err != nil || !bytes.Equal(read, blob) {
			t.Errorf("failed in %v: the blob is not there: %v", at, err)
		}
	}
}
