//go:build stores

package consistency_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/registryd/registryd/internal/drivers"
)

// shaky is the store as one node sees it: it takes its time before and behind each look, so that what was read is old when it arrives; and it fails.
type shaky struct {
	drivers.Driver
	delay time.Duration // at most, before a look and behind it
	slow  time.Duration // of the few that take long, at most
	lost  float64       // the part of the writes that are not applied and fail, and of those that are applied and fail

	tagReads *atomic.Int64 // counts looks at tags; may be nil
}

var errShaky = fmt.Errorf("injected: %w", drivers.ErrUnavailable)

func (s *shaky) wait(ctx context.Context) error {
	delay := s.delay
	if s.slow > 0 && rand.IntN(100) == 0 {
		delay = s.slow
	}
	if delay == 0 {
		return nil
	}
	timer := time.NewTimer(time.Duration(rand.Int64N(int64(delay))))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *shaky) Stat(ctx context.Context, key string) (info drivers.Info, err error) {
	err = s.around(ctx, func() (err error) { info, err = s.Driver.Stat(ctx, key); return err })
	return info, err
}

func (s *shaky) Open(ctx context.Context, key string, off, n int64) (r io.ReadCloser, info drivers.Info, err error) {
	if s.tagReads != nil && strings.Contains(key, "/_tags/") {
		s.tagReads.Add(1)
	}
	err = s.around(ctx, func() (err error) { r, info, err = s.Driver.Open(ctx, key, off, n); return err })
	if err != nil && r != nil {
		_ = r.Close()
		r = nil
	}
	return r, info, err
}

func (s *shaky) Put(ctx context.Context, key string, body io.ReadSeeker, cond drivers.Cond) (info drivers.Info, err error) {
	fate := rand.Float64()
	if fate < s.lost {
		return info, errShaky
	}
	err = s.around(ctx, func() (err error) { info, err = s.Driver.Put(ctx, key, body, cond); return err })
	if err == nil && fate < 2*s.lost {
		return drivers.Info{}, errShaky
	}
	return info, err
}

// around waits, does it, and waits.
func (s *shaky) around(ctx context.Context, do func() error) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	return errors.Join(do(), s.wait(ctx))
}
