package s3

import (
	"context"
	"errors"
	"testing"

	"github.com/registryd/registryd/internal/drivers"
)

// What ended an upload is known before the parts under way are told to stop, so that none of them answers for it.
func TestStopKnowsWhy(t *testing.T) {
	t.Parallel()
	var p *pipeline
	var known error
	p = newPipeline(&appender{Driver: &Driver{}}, func() { known = p.err }, nil)
	if _, err := p.stop(drivers.ErrDiscard); !errors.Is(err, drivers.ErrDiscard) || !errors.Is(known, drivers.ErrDiscard) {
		t.Errorf("stop gives %v; when parts were told to stop, %v was known", err, known)
	}
	if _, err := p.stop(context.Canceled); !errors.Is(err, drivers.ErrDiscard) {
		t.Errorf("the second stop gives %v", err)
	}
}
