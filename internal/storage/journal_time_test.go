package storage_test

import (
	"context"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// standing is a store that stands still before the first call of its kind. One that is deaf does not look at its context, as a disk does not.
type standing struct {
	drivers.Driver
	still string // part of the key
	reads bool
	pause time.Duration
	deaf  bool
	stood *atomic.Bool
}

func (s *standing) wait(ctx context.Context, key string) error {
	if !strings.Contains(key, s.still) || s.stood.Swap(true) {
		return nil
	}
	if s.deaf {
		ctx = context.WithoutCancel(ctx)
	}
	select {
	case <-time.After(s.pause):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *standing) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, drivers.Info, error) {
	if s.reads {
		if err := s.wait(ctx, key); err != nil {
			return nil, drivers.Info{}, err
		}
	}
	if s.deaf {
		ctx = context.WithoutCancel(ctx)
	}
	return s.Driver.Open(ctx, key, off, n)
}

func (s *standing) Put(ctx context.Context, key string, body io.ReadSeeker, cond drivers.Cond) (drivers.Info, error) {
	if !s.reads {
		if err := s.wait(ctx, key); err != nil {
			return drivers.Info{}, err
		}
	}
	if s.deaf {
		ctx = context.WithoutCancel(ctx)
	}
	return s.Driver.Put(ctx, key, body, cond)
}

// A store that stands still for longer than a push may take makes it fail as one that is away. Nothing is linked after that, unless it is the link itself that
// hung, and nothing acknowledged. A collector, and whoever drops entries, relies on it.
func TestPushTime(t *testing.T) {
	t.Parallel()
	config := content(1, 10)
	m := image("", config)
	d := digest.FromBytes(m)
	push := func(ctx context.Context, r *storage.Repository) error { return pushManifest(ctx, r, m, "a") }
	for _, c := range []struct {
		name  string
		do    func(context.Context, *storage.Repository) error
		at    standing
		left  int             // entries
		after storage.Outcome // of the entry, right then
		link  bool
	}{
		{"the entry", push, standing{still: "/journal/"}, 0, 0, false},
		{"the entry, deaf", push, standing{still: "/journal/", deaf: true}, 1, storage.Pending, false},
		{"the reads", push, standing{still: "/_layers/", reads: true}, 0, 0, false},
		{"the content", push, standing{still: "/pointer"}, 1, storage.Pending, false},
		{"the content, deaf", push, standing{still: "/pointer", deaf: true}, 1, storage.Pending, false},
		{"the mark, deaf", push, standing{still: "/tags/a", deaf: true}, 1, storage.Pending, false},
		{"the link", push, standing{still: "/link"}, 1, storage.Pending, false},
		{"the link, deaf", push, standing{still: "/link", deaf: true}, 1, storage.Visible, true},
		{"the tag", push, standing{still: "/_tags/"}, 1, storage.Pending, true},
		{"the tag, deaf", push, standing{still: "/_tags/", deaf: true}, 1, storage.Visible, true},
		{"the tag of a deletion", func(ctx context.Context, r *storage.Repository) error { return r.DeleteTag(ctx, "before", nil) },
			standing{still: "/_tags/"}, 1, storage.Pending, false},
		{"the tag of a deletion, deaf", func(ctx context.Context, r *storage.Repository) error { return r.DeleteTag(ctx, "before", nil) },
			standing{still: "/_tags/", deaf: true}, 1, storage.Visible, false},
		{"the link of a deletion, deaf", func(ctx context.Context, r *storage.Repository) error {
			return r.DeleteManifest(ctx, digest.FromBytes(image("before", config)), nil)
		}, standing{still: "/link", deaf: true}, 1, storage.Visible, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake, box := drivertest.NewFake(t), &outbox{}
				must(t, pushWhole(t.Context(), repository(fake), config))
				must(t, pushManifest(t.Context(), repository(fake), image("before", config), "before"))
				forget(t, fake)
				c.at.Driver, c.at.pause, c.at.stood = fake, storage.PushTime+time.Second, &atomic.Bool{}
				start := time.Now()
				err := c.do(t.Context(), notified(&c.at, box).Repository(repoName))
				if storage.CodeOf(err) != storage.Unavailable {
					t.Errorf("it answered %v", err)
				}
				if took := time.Since(start); took < storage.PushTime || took > storage.PushTime+time.Second {
					t.Errorf("it took %v", took)
				}
				if len(box.told) > 0 {
					t.Error("the outbox was told of it")
				}
				entries := journal(t, fake)
				if len(entries) != c.left || c.left == 1 && outcomeOf(t, aged(t, fake, 0), entries[0]) != c.after {
					t.Errorf("there are %d entries, want %d", len(entries), c.left)
				}
				if got := has(t, repository(fake), d); got != c.link {
					t.Errorf("that it can be pulled is %v", got)
				}
			})
		})
	}
}

// A push that takes almost that long is fine.
func TestSlowPush(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, box, config := drivertest.NewFake(t), &outbox{}, content(1, 10)
		must(t, pushWhole(t.Context(), repository(fake), config))
		slow := &standing{Driver: fake, still: "/_tags/", pause: storage.PushTime - time.Second, deaf: true, stood: &atomic.Bool{}}
		must(t, pushManifest(t.Context(), notified(slow, box).Repository(repoName), image("", config), "a"))
		if len(box.told) != 1 || tagOf(t, repository(fake), reference.Tag("a")) == "" {
			t.Error("it was not done")
		}
	})
}
