package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/registryd/registryd/internal/drivers"
)

// movingBody is the body of a GET. A Read for which nothing comes for too long ends it; how long the reader takes between two Reads does not matter.
type movingBody struct {
	ctx    context.Context // of the GET
	body   io.ReadCloser
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

var errStalled = errors.New("the store stopped sending")

func newMovingBody(ctx context.Context, body io.ReadCloser, cancel context.CancelCauseFunc) *movingBody {
	timer := time.AfterFunc(stallTimeout, func() { cancel(errStalled) })
	timer.Stop()
	return &movingBody{ctx: ctx, body: body, cancel: cancel, timer: timer}
}

func (b *movingBody) Read(p []byte) (int, error) {
	b.timer.Reset(stallTimeout)
	n, err := b.body.Read(p)
	b.timer.Stop()
	if err != nil && err != io.EOF {
		err = &drivers.Unavailable{Err: fmt.Errorf("reading from the store: %w", err)}
	}
	return n, err
}

// stalled says whether it was ended for want of bytes.
func (b *movingBody) stalled() bool { return context.Cause(b.ctx) == errStalled }

func (b *movingBody) Close() error {
	err := b.body.Close()
	b.timer.Stop()
	b.cancel(nil)
	return err
}
