package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/registryd/registryd/internal/drivers"
)

// memoryTimeout is how long an upload waits for memory before its client is told to come back.
const memoryTimeout = 30 * time.Second

// obsoleteBatch is how many tails of the past gather before one request deletes them.
const obsoleteBatch = 4

// Append fills parts from src and uploads them side by side. See the package comment.
func (d *Driver) Append(ctx context.Context, s drivers.Session, fresh string, src drivers.Source, saved func(drivers.Session) error) (drivers.Session, error) {
	if err := drivers.CheckKey(fresh); err != nil {
		return s, err
	}
	st, err := decode(s)
	if err != nil {
		return s, err
	}
	if err := ctx.Err(); err != nil {
		return s, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a := &appender{Driver: d, ctx: ctx, from: s, fresh: fresh, src: src, plan: d.newPlan(), key: s.Key, state: *st, off: s.Offset}
	a.pipe = newPipeline(a, cancel, saved)
	defer a.release()
	return a.run()
}

// appender is one Append under way. Everything in it belongs to the goroutine that reads src; what the uploads of parts share is in pipe.
type appender struct {
	*Driver
	ctx   context.Context
	from  drivers.Session
	fresh string
	src   drivers.Source
	plan  plan
	pipe  *pipeline

	key     string   // of the sessions that this call gives
	state   state    // Parts stays as it was in from: pipe has the new ones
	number  int      // of the last part that was begun
	off     int64    // bytes of the upload that are in blocks or behind them
	blocks  [][]byte // of the part being filled
	size    int64    // bytes in blocks
	ahead   []byte   // a byte that was read to see whether there is one
	dropped []string // keys of tails that the part being filled makes obsolete
	extras  int      // tails written besides one at fresh
	created bool     // the multipart upload is this call's own
}

var errPressure = errors.New("no memory is left")

// run reads and uploads until src ends.
func (a *appender) run() (drivers.Session, error) {
	a.number = a.state.last()
	for {
		number := a.plan.next(a.number)
		err := a.fill(a.plan.size(number) - a.state.Tail.Size)
		mark, markErr := a.src.Mark()
		if markErr != nil {
			return a.pipe.stop(markErr)
		}
		if err == nil && a.state.Upload == "" {
			err = a.peek()
		}
		switch {
		case err == nil:
			err = a.part(number, mark)
		case errors.Is(err, errPressure):
			err = a.relieve(number, mark)
		case a.ctx.Err() != nil:
		case errors.Is(err, drivers.ErrDiscard):
			a.discard()
			return a.from, err
		default:
			return a.finish(number, mark, err)
		}
		if err != nil {
			return a.pipe.stop(err)
		}
	}
}

// fill reads until want bytes stand in blocks. It gives io.EOF, or whatever src gave, when there are no more, and errPressure when there is no memory.
func (a *appender) fill(want int64) error {
	if n := len(a.blocks); n == 0 || len(a.blocks[n-1]) == blockSize {
		if err := a.grow(); err != nil {
			return err
		}
	}
	for a.size < want {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		block := &a.blocks[len(a.blocks)-1]
		if len(*block) == blockSize {
			if a.size >= a.share() {
				return errPressure
			}
			if err := a.grow(); err != nil {
				return err
			}
			continue
		}
		into := (*block)[len(*block):min(blockSize, int64(len(*block))+want-a.size)]
		n, err := len(a.ahead), error(nil)
		if n > 0 {
			copy(into, a.ahead)
			a.ahead = nil
		} else {
			n, err = a.src.Read(into)
		}
		*block = (*block)[:len(*block)+n]
		a.size += int64(n)
		a.off += int64(n)
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *appender) grow() error {
	block := a.memory.try()
	if block == nil {
		return errPressure
	}
	a.blocks = append(a.blocks, block)
	return nil
}

// peek sees whether src goes on: an upload that is over with its first part needs no multipart upload.
func (a *appender) peek() error {
	ahead := make([]byte, 1)
	for {
		n, err := a.src.Read(ahead)
		if n > 0 {
			a.ahead = ahead
			return nil // what err says, the next Read says again
		}
		if err != nil {
			return err
		}
	}
}

// part hands what was filled, behind the tail, to the pipeline.
func (a *appender) part(number int, mark []byte) error {
	if number > maxParts {
		return fmt.Errorf("the blob is too large for the parts it was cut into, raise uploads.memory")
	}
	if a.state.Upload == "" {
		if err := a.create(); err != nil {
			return err
		}
	}
	a.drop(a.state.Tail.Key)
	item := &item{number: number, end: a.off, mark: mark, dropped: a.dropped, body: a.take()}
	item.size = item.body.total()
	a.state.Tail, a.dropped, a.number = tail{}, nil, number
	return a.pipe.add(item)
}

// take makes a body of what was filled, and leaves nothing.
func (a *appender) take() *body {
	b := &body{ctx: a.ctx, driver: a.Driver, tail: a.state.Tail, blocks: a.blocks, size: a.size}
	a.blocks, a.size = nil, 0
	return b
}

// relieve gives memory back when there is none left, so that every upload goes on, if more slowly: by a part that is smaller than planned, or by a tail.
func (a *appender) relieve(number int, mark []byte) error {
	var err error
	switch total := a.state.Tail.Size + a.size; {
	case a.size == 0:
	case a.plan.enough(number, total):
		err = a.part(number, mark)
	default:
		err = a.putTail(a.extraKey())
	}
	if err != nil {
		return err
	}
	a.memory.give(a.blocks)
	ctx, cancel := context.WithTimeout(a.ctx, a.memory.patience)
	defer cancel()
	block, err := a.memory.wait(ctx)
	if err != nil && a.ctx.Err() == nil {
		err = &drivers.Unavailable{Err: fmt.Errorf("no memory for uploads came free for %s, raise uploads.memory: %w", a.memory.patience, err)}
	}
	if err != nil {
		return err
	}
	a.blocks, a.size = [][]byte{block}, 0
	return nil
}

// extraKey is a key that nobody else has: only this call has fresh.
func (a *appender) extraKey() string {
	a.extras++
	return a.fresh + "-" + strconv.Itoa(a.extras)
}

// putTail writes the old tail and what was filled behind it as the new tail.
func (a *appender) putTail(key string) error {
	b := a.take()
	defer func() { b.release(); a.memory.give(b.blocks) }()
	info, err := a.Put(a.ctx, key, b, drivers.Cond{})
	if err != nil {
		return err
	}
	a.drop(a.state.Tail.Key)
	a.state.Tail = tail{Key: key, Size: b.total(), ETag: info.ETag}
	return nil
}

// drop notes a tail that is of no use any more. One that stands at the key of the session this call began with is left alone: that session may be committed
// by somebody else, and then the tail is a blob. Unless it is, it is found by its age.
func (a *appender) drop(key string) {
	if key != "" && key != a.from.Key {
		a.dropped = append(a.dropped, key)
	}
}

// finish makes the rest durable when src has ended with srcErr, and gives the session at its end.
func (a *appender) finish(number int, mark []byte, srcErr error) (drivers.Session, error) {
	if srcErr == io.EOF {
		srcErr = nil
	}
	var err error
	switch total := a.state.Tail.Size + a.size; {
	case a.off == a.from.Offset && a.from.Key != "": // nothing was read
	case a.state.Upload == "" && a.from.Key == "":
		err = a.putTail(a.fresh)
		a.key = a.fresh
	case a.state.Upload == "":
		// A second Append: from here on there are tails that can be removed, where growing objects would be left behind.
		if err = a.create(); err == nil && a.plan.enough(number, total) {
			err = a.part(number, mark)
		} else if err == nil {
			err = a.putTail(a.extraKey())
		}
	case total == 0:
	case a.plan.enough(number, total):
		err = a.part(number, mark)
	case a.size > 0 && a.key == a.fresh:
		err = a.putTail(a.extraKey())
	case a.size > 0:
		err = a.putTail(a.fresh)
	}
	if err == nil {
		err = a.pipe.wait()
	}
	if err != nil {
		return a.pipe.stop(err)
	}
	if len(a.pipe.obsolete) >= obsoleteBatch && a.off > a.from.Offset {
		a.pipe.obsolete = a.deleteObsolete(a.pipe.obsolete)
	}
	return a.pipe.session(a.off, mark, a.state.Tail, a.dropped), srcErr
}

// deleteObsolete removes the tails that the session this call began with has no use for; those that it makes obsolete itself stay until the client
// shows that it has the next one.
func (a *appender) deleteObsolete(all []string) []string {
	old := a.state.Obsolete
	if err := a.Delete(a.ctx, old...); err != nil {
		return all
	}
	return slices.DeleteFunc(all, func(key string) bool { return slices.Contains(old, key) })
}

// discard forgets what was read. Parts in an upload that others go on with are named by nobody.
func (a *appender) discard() {
	_, _ = a.pipe.stop(drivers.ErrDiscard)
	if a.created && a.pipe.handed == 0 {
		_ = a.abortMultipart(context.WithoutCancel(a.ctx), a.key, a.state.Upload)
	}
}

func (a *appender) release() { a.memory.give(a.blocks) }
