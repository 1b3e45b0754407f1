package storage_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
)

// at is a registry after some time.
func at(f *drivertest.Fake, off time.Duration) *storage.Registry {
	return storage.New(drivertest.NewLater(f, off), storage.Options{Now: func() time.Time { return time.Now().Add(off) }})
}

func TestJanitor(t *testing.T) {
	t.Parallel()
	fake := drivertest.NewFake(t)
	repo := repository(fake)
	kept := content(1, 200<<10)
	must(t, pushPieces(t.Context(), repo, kept, 1<<20))

	// A client that goes away leaves a checkpoint; one that never comes back leaves data.
	cut := content(2, 300<<10)
	up, err := repo.NewUpload(digest.SHA256)
	must(t, err)
	if _, err = repo.Append(t.Context(), up, storage.WholeBody(&broken{bytes.NewReader(cut)})); err == nil {
		t.Fatal("a body that was cut off was taken")
	}
	lone, err := repo.NewUpload(digest.SHA256)
	must(t, err)
	_, err = repo.Append(t.Context(), lone, storage.WholeBody(bytes.NewReader(cut)))
	must(t, err)
	dropped := content(3, 100<<10)
	must(t, pushWhole(t.Context(), repo, dropped))

	for _, c := range []struct {
		name    string
		off     time.Duration
		dryRun  bool
		uploads int
	}{
		{"nothing is old", 0, false, 0},
		{"before the time to live is over", 11 * time.Hour, false, 0},
		{"dry run", 25 * time.Hour, true, 1},
		{"run", 25 * time.Hour, false, 1},
		{"again", 26 * time.Hour, false, 0},
	} {
		janitor := at(fake, c.off).NewJanitor()
		seen := 0
		done, err := janitor.Run(t.Context(), storage.JanitorOptions{DryRun: c.dryRun, Upload: func(u storage.PendingUpload) {
			seen++
			if u.Repository != repoName || u.Offset != int64(len(cut)) || u.ID != up.ID {
				t.Errorf("%s: saw the upload %+v", c.name, u)
			}
		}})
		must(t, err)
		if done.Uploads != c.uploads || (c.name == "again") != (seen == 0) {
			t.Errorf("%s: %+v, saw %d uploads", c.name, done, seen)
		}
	}
	for _, key := range fake.Keys() {
		if strings.Contains(key, "/_uploads/") {
			t.Errorf("left: %s", key)
		}
	}
	for _, blob := range [][]byte{kept, dropped} {
		got, err := readBlob(t.Context(), repo, digest.FromBytes(blob))
		must(t, err)
		if !bytes.Equal(got, blob) {
			t.Error("the janitor harmed a blob")
		}
	}
	sound(t, fake)
}

// What is left of an upload that was closed is no upload under way, and goes in silence. As long as it stays, the janitor does not read it.
func TestClosedUploadsAreLeftAlone(t *testing.T) {
	t.Parallel()
	fake, blob := parts(t), content(1, 17*mib)
	_, closed := twoPieces(t, repository(fake), blob)
	_, err := put(t.Context(), repository(fake), closed, digest.FromBytes(blob), blob)
	must(t, err)
	_, open := twoPieces(t, repository(fake), blob)
	for _, c := range []struct {
		off                      time.Duration
		reads, uploads, leftover int
	}{{0, 0, 0, 0}, {11 * time.Hour, 0, 0, 0}, {25 * time.Hour, 3, 1, 1}} { // two last checkpoints and a pointer
		registry := at(fake, c.off)
		var pending []storage.PendingUpload
		must(t, registry.Uploads(t.Context(), func(up storage.PendingUpload) error { pending = append(pending, up); return nil }))
		for _, up := range pending {
			if up.Closed != (up.ID == closed.ID) || up.Offset != 17*mib {
				t.Errorf("after %v the upload %s is %+v", c.off, open.ID, up)
			}
		}
		found, err := registry.Fsck(t.Context(), storage.FsckOptions{})
		must(t, err)
		if len(pending) != 2 || found.Uploads != 1 || found.Leftovers != c.leftover {
			t.Errorf("after %v there are %d uploads, and fsck says %+v", c.off, len(pending), found)
		}
		for _, dry := range []bool{true, false} {
			fake.ResetCounts()
			done, err := registry.NewJanitor().Run(t.Context(), storage.JanitorOptions{DryRun: dry})
			must(t, err)
			if got := fake.Counts()[drivertest.OpOpen]; done.Uploads != c.uploads || got != c.reads {
				t.Errorf("after %v the janitor read %d records and did %+v", c.off, got, done)
			}
		}
	}
	if n := checkpoints(fake); n != 0 {
		t.Errorf("%d checkpoints are left", n)
	}
	_, open = twoPieces(t, repository(fake), blob)
	_, err = put(t.Context(), repository(fake), open, digest.FromBytes(blob), blob)
	must(t, err)
	_, _ = twoPieces(t, repository(fake), blob)
	found, err := at(fake, 25*time.Hour).Fsck(t.Context(), storage.FsckOptions{Prune: true})
	must(t, err)
	if n := checkpoints(fake); found.Uploads != 1 || found.Damage != 0 || n != 0 || len(fake.Pending()) != 0 {
		t.Errorf("fsck --prune says %+v, and leaves %d checkpoints and %q", found, n, fake.Pending())
	}
	got, err := readBlob(t.Context(), repository(fake), digest.FromBytes(blob))
	must(t, err)
	if !bytes.Equal(got, blob) {
		t.Error("a blob was harmed")
	}
}

// broken is a body whose client goes away at its end.
type broken struct{ *bytes.Reader }

func (b *broken) Read(p []byte) (int, error) {
	if b.Len() == 0 {
		return 0, errors.New("connection reset")
	}
	return b.Reader.Read(p)
}

// The janitor reads a pointer once, and again only when it was changed.
func TestJanitorRemembers(t *testing.T) {
	t.Parallel()
	fake := drivertest.NewFake(t)
	for i := range uint64(20) {
		must(t, pushWhole(t.Context(), repository(fake), content(i, 100<<10)))
	}
	lone, err := repository(fake).NewUpload(digest.SHA256)
	must(t, err)
	later := at(fake, 25*time.Hour)
	janitor := later.NewJanitor()
	for run, want := range []int{20, 0, 1} {
		_, err = repository(fake).Append(t.Context(), lone, storage.WholeBody(bytes.NewReader(content(99, 1000))))
		must(t, err)
		if run == 2 {
			must(t, pushWhole(t.Context(), repository(fake), content(77, 100<<10)))
		}
		fake.ResetCounts()
		_, err := janitor.Run(t.Context(), storage.JanitorOptions{})
		must(t, err)
		if got := fake.Counts()[drivertest.OpOpen]; got != want {
			t.Errorf("run %d read %d pointers, want %d", run, got, want)
		}
	}
}

func TestLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake(t)
		one, two := storage.New(fake, storage.Options{}), storage.New(fake, storage.Options{})
		began, end := make(chan struct{}), make(chan struct{})
		done := make(chan error)
		go func() {
			done <- one.WithLease(t.Context(), "job", time.Minute, func(ctx context.Context) error {
				close(began)
				<-end
				return ctx.Err()
			})
		}()
		<-began
		never := func(context.Context) error { t.Error("two were at it"); return nil }
		for range 5 { // the lease is renewed
			<-time.After(50 * time.Second) // by the clock of the bubble
			if err := two.WithLease(t.Context(), "job", time.Minute, never); !errors.Is(err, storage.ErrLeaseHeld) {
				t.Fatalf("got %v", err)
			}
		}
		close(end)
		must(t, <-done)
		ran := false
		must(t, two.WithLease(t.Context(), "job", time.Minute, func(context.Context) error { ran = true; return nil }))
		if !ran {
			t.Error("the lease was not given back")
		}

		// A holder that died is waited out.
		lost := drivertest.NewFaulty(fake, nil)
		go func() {
			_ = storage.New(lost, storage.Options{}).WithLease(t.Context(), "job", time.Minute, func(ctx context.Context) error {
				lost.CrashAt(1, drivertest.NotApplied)
				<-ctx.Done()
				return ctx.Err()
			})
		}()
		synctest.Wait()
		if err := two.WithLease(t.Context(), "job", time.Minute, never); !errors.Is(err, storage.ErrLeaseHeld) {
			t.Fatalf("got %v", err)
		}
		<-time.After(2 * time.Minute)
		must(t, two.WithLease(t.Context(), "job", time.Minute, func(context.Context) error { return nil }))
	})
}

// Data that an unreadable pointer may name is left alone, by fsck --prune and by the janitor.
func TestNothingIsRemovedBlindly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, fake *drivertest.Fake, key string) drivers.Driver
	}{
		{"a record of a newer release", func(t *testing.T, fake *drivertest.Fake, key string) drivers.Driver {
			_, err := fake.AllowOverwrite().Put(t.Context(), key, strings.NewReader(`{"v":2,"elsewhere":true}`), drivers.Cond{})
			must(t, err)
			return fake
		}},
		{"a digest of a newer release", func(t *testing.T, fake *drivertest.Fake, key string) drivers.Driver {
			_, err := fake.Put(t.Context(), strings.Replace(key, "/sha256/", "/sha1024/", 1), strings.NewReader(`{"v":2}`), drivers.Cond{})
			must(t, err)
			must(t, fake.Delete(t.Context(), key))
			return fake
		}},
		{"a store that lists it and does not find it", func(_ *testing.T, fake *drivertest.Fake, key string) drivers.Driver { return forgetful{fake, key} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fake := drivertest.NewFake(t)
			must(t, pushWhole(t.Context(), repository(fake), content(1, 100<<10)))
			var pointer string
			data := 0
			for _, key := range fake.Keys() {
				if strings.HasSuffix(key, "/pointer") {
					pointer = key
				}
				if strings.Contains(key, "/data/") {
					data++
				}
			}
			spoiled := c.spoil(t, fake, pointer)
			later := storage.New(drivertest.NewLater(spoiled, 26*time.Hour), storage.Options{Now: func() time.Time { return time.Now().Add(26 * time.Hour) }})
			_, _ = later.Fsck(t.Context(), storage.FsckOptions{Prune: true})
			if _, err := later.NewJanitor().Run(t.Context(), storage.JanitorOptions{}); err == nil {
				t.Error("the janitor saw nothing wrong")
			}
			for _, key := range fake.Keys() {
				if strings.Contains(key, "/data/") {
					data--
				}
			}
			if data != 0 {
				t.Errorf("%d objects were removed", data)
			}
		})
	}
}

// forgetful is a store that does not find one key, though it lists it.
type forgetful struct {
	drivers.Driver
	key string
}

func (f forgetful) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, drivers.Info, error) {
	if key == f.key {
		return nil, drivers.Info{}, drivers.ErrNotFound
	}
	return f.Driver.Open(ctx, key, off, n)
}
