package storage_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
)

// A body that is dropped after it has come to a checkpoint leaves the upload where it stood: that is what everybody is told, and what can be gone on from.
func TestDroppedBehindCheckpoint(t *testing.T) {
	t.Parallel()
	blob := content(1, 83*mib)
	for _, stood := range []int{0, 8 * mib, 17 * mib} {
		blob := blob[:stood+66*mib]
		bad := bytes.Clone(blob[stood:])
		bad[1000] ^= 1
		for name, drop := range map[string]func(*storage.Repository, storage.Upload, storage.Chunk) (storage.Upload, error){
			"another digest": func(repo *storage.Repository, up storage.Upload, chunk storage.Chunk) (storage.Upload, error) {
				_, at, err := repo.Commit(t.Context(), up, digest.FromBytes(blob), chunk)
				return at, err
			},
			"longer than its range": func(repo *storage.Repository, up storage.Upload, chunk storage.Chunk) (storage.Upload, error) {
				chunk.Start, chunk.Length = up.Offset, 65*mib
				return repo.Append(t.Context(), up, chunk)
			},
		} {
			t.Run(fmt.Sprintf("%s, from %d", name, stood), func(t *testing.T) {
				t.Parallel()
				fake := parts(t)
				repo, up := repository(fake), begin(t, repository(fake))
				if stood > 0 {
					var err error
					up, err = repo.Append(t.Context(), up, storage.WholeBody(bytes.NewReader(blob[:stood])))
					must(t, err)
				}
				var told storage.Upload
				chunk := storage.WholeBody(bytes.NewReader(bad))
				chunk.Watch = func(up storage.Upload) { told = up }
				at, err := drop(repo, up, chunk)
				if code := storage.CodeOf(err); code != storage.DigestInvalid && code != storage.SizeInvalid {
					t.Fatalf("got %v", err)
				}
				now, err := repository(fake).UploadStatus(t.Context(), up)
				must(t, err)
				for who, p := range map[string]storage.Upload{"the error": at, "the status": now, "the last that was told": told} {
					if p.Offset != int64(stood) || p.Seq != up.Seq+2 {
						t.Errorf("%s has it at %d behind checkpoint %d", who, p.Offset, p.Seq)
					}
				}
				// The same with the right bytes, by the token that the client has: it is told in time, and how to go on.
				next, err := put(t.Context(), repository(fake), up, digest.FromBytes(blob), blob)
				if storage.CodeOf(err) != storage.RangeInvalid || next.Offset != int64(stood) {
					t.Errorf("the same PUT gives %d, %v", next.Offset, err)
				}
				if adopted := again(t, up, 600).Filled(again(t, told, 64<<10)); adopted.Seq != now.Seq {
					t.Errorf("whoever was told goes on behind checkpoint %d", adopted.Seq)
				}
				_, err = put(t.Context(), repository(fake), next, digest.FromBytes(blob), blob)
				must(t, err)
				if got, err := readBlob(t.Context(), repo, digest.FromBytes(blob)); err != nil || !bytes.Equal(got, blob) {
					t.Errorf("the blob is not there: %v", err)
				}
				if _, err := at26h(fake).Run(t.Context(), storage.JanitorOptions{}); err != nil {
					t.Error(err)
				}
				if n := checkpoints(fake); n > 0 {
					t.Errorf("%d checkpoints are left", n)
				}
				sound(t, fake)
			})
		}
	}
}

func at26h(fake *drivertest.Fake) *storage.Janitor { return at(fake, 26*time.Hour).NewJanitor() }

// A body that another request has gone on from is not taken back, nor what the store cannot be told of; the client hears of its digest all the same.
func TestDroppedInVain(t *testing.T) {
	t.Parallel()
	blob := content(1, 66*mib)
	for name, c := range map[string]struct {
		plan  drivertest.Plan
		other bool
	}{
		"the store is away":   {drivertest.On(drivertest.OpPut, "0000000002", drivertest.NotApplied), false},
		"another has gone on": {nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := parts(t)
			repo, up := repository(drivertest.NewFaulty(fake, c.plan)), begin(t, repository(fake))
			chunk := storage.WholeBody(bytes.NewReader(blob))
			chunk.Watch = func(at storage.Upload) {
				if c.other && at.Seq == 1 && at.Offset == 64*mib {
					_, err := repository(fake).Append(t.Context(), at, storage.WholeBody(strings.NewReader("more")))
					must(t, err)
				}
			}
			_, at, err := repo.Commit(t.Context(), up, digest.FromString("other"), chunk)
			if storage.CodeOf(err) != storage.DigestInvalid || at.Offset != 0 {
				t.Errorf("got %d, %v", at.Offset, err)
			}
			sound(t, fake)
		})
	}
}

// Bytes of a body that closes with another algorithm than the upload was begun with are hashed with that, and so is what comes behind its checkpoint.
func TestAlgorithmOfCheckpoint(t *testing.T) {
	t.Parallel()
	fake := parts(t)
	repo, blob := repository(fake), content(1, 70*mib)
	up, want := begin(t, repo), digest.SHA512.FromBytes(blob)
	_, _, err := repo.Commit(t.Context(), up, want, storage.WholeBody(superseding{bytes.NewReader(blob[:66*mib]), func(error) {}}))
	if err == nil {
		t.Fatal("the body was not cut off")
	}
	now, err := repository(fake).UploadStatus(t.Context(), up)
	must(t, err)
	if now.Offset != 66*mib {
		t.Errorf("it stands at %d", now.Offset)
	}
	_, err = put(t.Context(), repository(fake), again(t, now, 600), want, blob)
	must(t, err)
	got, err := readBlob(t.Context(), repo, want)
	if err != nil || !bytes.Equal(got, blob) {
		t.Errorf("the blob is not there: %v", err)
	}
}

// listing keeps how many keys were listed.
type listing struct {
	drivers.Driver
	listed int
}

func (l *listing) List(ctx context.Context, opts drivers.ListOptions) (drivers.Page, error) {
	page, err := l.Driver.List(ctx, opts)
	l.listed += len(page.Objects)
	return page, err
}

// A status lists the checkpoints behind its token alone.
func TestStatusListsWhatIsNewer(t *testing.T) {
	t.Parallel()
	fake := &listing{Driver: parts(t)}
	repo := repository(fake)
	up := begin(t, repo)
	all := []storage.Upload{up}
	for range 5 {
		var err error
		up, err = repo.Append(t.Context(), up, storage.WholeBody(bytes.NewReader(content(1, 17*mib))))
		must(t, err)
		all = append(all, up)
	}
	for i, from := range all {
		fake.listed = 0
		now, err := repo.UploadStatus(t.Context(), from)
		must(t, err)
		if now.Seq != up.Seq || fake.listed != len(all)-1-i {
			t.Errorf("from checkpoint %d: %d keys were listed to find %d", i, fake.listed, now.Seq)
		}
	}
}

// Whether anybody can go on from what is kept of a point is known before it is told.
func TestLasts(t *testing.T) {
	t.Parallel()
	repo := repository(long{parts(t)})
	var told []storage.Upload
	chunk := storage.WholeBody(bytes.NewReader(content(1, 70*mib)))
	chunk.Watch = func(up storage.Upload) { told = append(told, up) }
	end, err := repo.Append(t.Context(), begin(t, repo), chunk)
	must(t, err)
	lasting := 0
	for _, p := range append(told, end) {
		_, err := repo.Append(t.Context(), again(t, p, 600), storage.WholeBody(strings.NewReader("more")))
		if p.Lasts(600) {
			lasting++
		} else if storage.CodeOf(err) != storage.RangeInvalid {
			t.Errorf("the point at %d behind checkpoint %d is good: %v", p.Offset, p.Seq, err)
		}
		if !p.Lasts(64 << 10) {
			t.Errorf("the point at %d does not last where there is room for it", p.Offset)
		}
	}
	if lasting != 3 { // the two checkpoints, and the end, which is the second of them
		t.Errorf("%d of %d points last", lasting, len(told)+1)
	}
}
