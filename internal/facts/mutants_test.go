//go:build stores

package facts

import (
	"context"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/internal/storage"
)

// The scripts of the protocol, each with a rule left out.
var (
	lookWithoutLease = redis.NewScript(`return redis.call('GET', KEYS[1])`)
	fillAnyway       = redis.NewScript(`redis.call('SET', KEYS[1], ARGV[2], 'PX', 150) return 1`)
	fillUnchecked    = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL') end
return 1`)
	fillOrNothing = redis.NewScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL') end
return 1`)
)

// hastyWriter does not wait when it is cut off: its context is over.
type hastyWriter struct{ *Facts }

func (f hastyWriter) Changed(ctx context.Context, keys ...string) error {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	_ = f.Facts.Changed(ctx, keys...)
	return nil
}

// hastyReader gives what it read without waiting when it is cut off.
type hastyReader struct{ *Facts }

func (f hastyReader) Fetch(ctx context.Context, key string, read func(context.Context) (storage.Fact, error)) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var seen storage.Fact
	value, err := f.Facts.Fetch(ctx, key, func(ctx context.Context) (fact storage.Fact, err error) {
		seen, err = read(ctx)
		cancel()
		return seen, err
	})
	if err != nil {
		return seen.Value, nil
	}
	return value, nil
}

// TestMutants: the test of the protocol notices when a rule of it is broken. (That life begins with the lease has a test of its own, as chance finds it
// too seldom.)
func TestMutants(t *testing.T) {
	t.Parallel()
	for name, mutant := range map[string]plan{
		"no lease":                               {scripts: scripts{lookWithoutLease, fillAnyway, protocol.drop}, patience: hardly},
		"a fill does not look for its lease":     {scripts: scripts{protocol.look, fillUnchecked, protocol.drop}, patience: hardly},
		"a fill that is refused deletes nothing": {scripts: scripts{protocol.look, fillOrNothing, protocol.drop}, patience: hardly},
		"a writer that is cut off does not wait": {scripts: protocol, patience: hardly, calm: true, clumsy: func(f *Facts) memory { return hastyWriter{f} }},
		"a reader that is cut off does not wait": {scripts: protocol, patience: hardly, calm: true, clumsy: func(f *Facts) memory { return hastyReader{f} }},
		"a server that took over is believed":    {scripts: protocol, patience: hardly, believe: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t)
			for round := range 40 {
				if mutant.run(t, s) == porcupine.Illegal {
					t.Logf("caught in round %d", round)
					return
				}
			}
			t.Error("nobody noticed")
		})
	}
}
