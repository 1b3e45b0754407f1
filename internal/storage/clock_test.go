package storage_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
)

// Nobody whose clock disagrees with the store's removes anything by its age; whoever removes nothing is not asked.
func TestClocksDisagree(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		off    time.Duration
		agrees bool
	}{{0, true}, {9 * time.Minute, true}, {-9 * time.Minute, true}, {11 * time.Minute, false}, {-11 * time.Minute, false}, {25 * time.Hour, false}, {-25 * time.Hour, false}} {
		fake := drivertest.NewFake(t)
		repo, blob := repository(fake), content(1, mib)
		up, err := repo.Append(t.Context(), begin(t, repo), storage.WholeBody(bytes.NewReader(blob)))
		must(t, err)
		_, err = fake.Commit(t.Context(), sessionOf(t, fake)) // as on S3, where the bytes of such an upload are an object already
		must(t, err)
		cut, err := repo.Append(t.Context(), begin(t, repo), storage.WholeBody(&broken{bytes.NewReader(blob)}))
		if err == nil || cut.Seq != 1 {
			t.Fatalf("the body was not cut off behind a checkpoint: %v", err)
		}
		keys := len(fake.Keys())

		wrong := storage.New(fake, storage.Options{Now: func() time.Time { return time.Now().Add(c.off) }})
		_, dry := wrong.NewJanitor().Run(t.Context(), storage.JanitorOptions{DryRun: true})
		_, look := wrong.Fsck(t.Context(), storage.FsckOptions{Deep: true})
		must(t, errors.Join(dry, look))
		if len(fake.Keys()) != keys {
			t.Error("something was written by who only looks")
		}
		_, swept := wrong.NewJanitor().Run(t.Context(), storage.JanitorOptions{})
		_, pruned := wrong.Fsck(t.Context(), storage.FsckOptions{Prune: true})
		for who, err := range map[string]error{"the janitor": swept, "fsck --prune": pruned} {
			if (err == nil) != c.agrees || err != nil && !errors.Is(err, storage.ErrClock) {
				t.Errorf("%s, with a clock that is off by %v: %v", who, c.off, err)
			}
			if err != nil && !strings.Contains(err.Error(), "set the one that is wrong") {
				t.Errorf("%s does not say what to do: %v", who, err)
			}
		}
		if n := len(fake.Keys()); n != keys+1 { // the one that tells the time
			t.Errorf("with a clock that is off by %v, %d objects became %d", c.off, keys, n)
		}
		_, _, err = repo.Commit(t.Context(), up, digest.FromBytes(blob), storage.WholeBody(nil))
		must(t, err)
		sound(t, fake)
	}
}

// sessionOf is the one upload that the store has.
func sessionOf(t *testing.T, fake *drivertest.Fake) drivers.Session {
	t.Helper()
	if pending := fake.Pending(); len(pending) == 1 {
		return drivers.Session{Key: pending[0], Offset: mib}
	}
	t.Fatalf("there are the uploads %q", fake.Pending())
	return drivers.Session{}
}

// careless is a store that says it committed an upload whose object is not there any more. It passes time meanwhile.
type careless struct {
	*drivertest.Fake
	lose  bool
	takes time.Duration
	clock *atomic.Int64
}

func (c careless) Commit(ctx context.Context, s drivers.Session) (drivers.Info, error) {
	info, err := c.Fake.Commit(ctx, s)
	c.clock.Add(int64(c.takes))
	if c.lose && err == nil {
		err = c.Delete(ctx, s.Key)
	}
	return info, err
}

// What an upload has stored is looked for once more when it took long, and not relied on after so long that the janitor may take it: nobody is told that a
// blob is there whose bytes are not.
func TestSlowUploadIsLookedAt(t *testing.T) {
	t.Parallel()
	blob := content(1, 17*mib)
	for _, c := range []struct {
		name        string
		size        int
		lose        bool
		lies, takes time.Duration // the upload, before it is closed, and then its Commit
		algorithm   digest.Algorithm
		stats       int
		code        storage.Code // 0 for success
	}{
		{"quick", mib, false, 59 * time.Minute, 0, digest.SHA256, 0, 0},
		{"slow", mib, false, 2 * time.Hour, 0, digest.SHA256, 1, 0},
		{"slow, and gone", mib, true, 2 * time.Hour, 0, digest.SHA256, 1, storage.BlobUploadUnknown},
		{"begun by a clock that is ahead, and gone", mib, true, -2 * time.Hour, 0, digest.SHA256, 1, storage.BlobUploadUnknown},
		{"with a checkpoint, and gone", 17 * mib, true, 2 * time.Hour, 0, digest.SHA256, 1, storage.BlobUploadUnknown},
		{"slow to commit, and gone", mib, true, 0, 2 * time.Hour, digest.SHA256, 1, storage.BlobUploadUnknown},
		{"suspended while it is closed", mib, false, 0, 24 * time.Hour, digest.SHA256, 0, storage.BlobUploadUnknown},
		{"suspended, with a checkpoint", 17 * mib, false, 0, 24 * time.Hour, digest.SHA256, 0, storage.BlobUploadUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fake, clock := parts(t), new(atomic.Int64)
			store := careless{fake, c.lose, c.takes, clock}
			begun := time.Now()
			repo := storage.New(store, storage.Options{Now: func() time.Time { return begun.Add(time.Duration(clock.Load())) }}).Repository(repoName)
			blob := blob[:c.size]
			up, err := repo.Append(t.Context(), begin(t, repo), storage.WholeBody(bytes.NewReader(blob)))
			must(t, err)
			clock.Add(int64(c.lies))
			fake.ResetCounts()
			_, _, err = repo.Commit(t.Context(), up, digest.FromBytes(blob), storage.WholeBody(nil))
			if c.code == 0 && err != nil || c.code != 0 && storage.CodeOf(err) != c.code {
				t.Errorf("closing it gave %v", err)
			}
			if n := fake.Counts()[drivertest.OpStat]; n != c.stats {
				t.Errorf("it was looked for %d times, want %d", n, c.stats)
			}
			if isThere(t, repo, digest.FromBytes(blob)) != (c.code == 0) {
				t.Error("a HEAD says another thing than the PUT did")
			}
			store.lose, store.takes = false, 0
			must(t, pushWhole(t.Context(), storage.New(store, storage.Options{}).Repository(repoName), blob))
			sound(t, fake)
		})
	}
}
