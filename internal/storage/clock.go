package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/registryd/registryd/internal/drivers"
)

// clockSkew is how far the clock of who removes what is old may be off from the store's. Between longestUpload and pruneAge there is more room than twice that.
const clockSkew = 10 * time.Minute

// ErrClock: the clock here and that of the store disagree, so that nothing is removed by its age.
var ErrClock = errors.New("clocks disagree")

// agree fails where the clock of this process is so far from the store's that something in use might look old. The age of data is told by these two: the clock
// of another node, in its id, can only make it younger. (In a directory both are one.) Who removes by age asks before it begins, at the cost of two requests.
// The answer to a Put will not do: stores tell no time in it.
func (r *Registry) agree(ctx context.Context) error {
	before := r.opts.Now().Round(0)
	if _, err := r.driver.Put(ctx, r.keys.clock(), bytes.NewReader(leafContent), drivers.Cond{}); err != nil {
		return fmt.Errorf("ask the store for the time: %w", err)
	}
	info, err := r.driver.Stat(ctx, r.keys.clock())
	if err != nil {
		return fmt.Errorf("ask the store for the time: %w", err)
	}
	now := r.opts.Now().Round(0)
	if info.ModTime.Before(before.Add(-clockSkew)) || info.ModTime.After(now.Add(clockSkew)) {
		return fmt.Errorf("%w: it is %s on this machine and %s at the store; nothing is removed until you set the one that is wrong",
			ErrClock, now.UTC().Format(time.RFC3339), info.ModTime.UTC().Format(time.RFC3339))
	}
	return nil
}

// lookAgainAfter is the age from which data is looked for before a pointer names it.
const lookAgainAfter = time.Hour

// outlasted fails with ErrNotFound where the data of mine, which no pointer names yet, may be gone: a request may have stood still, with its machine, for
// longer than any timer of this process noticed, and some clock may have been wrong when the janitor came by. Data that is young is not asked for. Its id
// tells its age by the wall clock.
func (r *Registry) outlasted(ctx context.Context, mine pointer) error {
	made, err := ulid.ParseStrict(mine.Data)
	if err != nil {
		return nil // inline
	}
	age := r.opts.Now().Round(0).Sub(made.Timestamp())
	if age > longestUpload {
		return fmt.Errorf("data %s is %s old and may be taken for abandoned: %w", mine.Data, age.Round(time.Minute), drivers.ErrNotFound)
	}
	if age.Abs() < lookAgainAfter {
		return nil
	}
	info, err := r.driver.Stat(ctx, r.keys.data(mine.Data))
	if err == nil && info.Size != mine.Size {
		err = fmt.Errorf("data %s has %d bytes where %d are due: %w", mine.Data, info.Size, mine.Size, drivers.ErrNotFound)
	}
	return err
}
