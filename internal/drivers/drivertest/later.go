package drivertest

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/registryd/registryd/internal/drivers"
)

// Later is a driver as it would be some time from now: what is put through it has the time of then, and what is there already is so much older. A registry whose
// clock is ahead by as much finds that it agrees with its store.
type Later struct {
	drivers.Driver
	by    time.Duration
	young sync.Map // the keys that were put
}

// NewLater is d after some time.
func NewLater(d drivers.Driver, by time.Duration) *Later { return &Later{Driver: d, by: by} }

// Unwrap gives the driver as it is now.
func (l *Later) Unwrap() drivers.Driver { return l.Driver }

func (l *Later) date(info drivers.Info) drivers.Info {
	if _, ok := l.young.Load(info.Key); ok {
		info.ModTime = info.ModTime.Add(l.by)
	}
	return info
}

// Put gives the object the time of then.
func (l *Later) Put(ctx context.Context, key string, body io.ReadSeeker, cond drivers.Cond) (drivers.Info, error) {
	info, err := l.Driver.Put(ctx, key, body, cond)
	if err == nil {
		l.young.Store(key, true)
	}
	return l.date(info), err
}

// Stat tells the time of then.
func (l *Later) Stat(ctx context.Context, key string) (drivers.Info, error) {
	info, err := l.Driver.Stat(ctx, key)
	return l.date(info), err
}

// Open tells the time of then.
func (l *Later) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, drivers.Info, error) {
	body, info, err := l.Driver.Open(ctx, key, off, n)
	return body, l.date(info), err
}

// List tells the time of then.
func (l *Later) List(ctx context.Context, opts drivers.ListOptions) (drivers.Page, error) {
	page, err := l.Driver.List(ctx, opts)
	for i := range page.Objects {
		page.Objects[i] = l.date(page.Objects[i])
	}
	return page, err
}
