//go:build stores

package events_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/internal/events"
	"github.com/registryd/registryd/internal/redisconn"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

func flushAll(t testing.TB, addr string) error {
	client := redis.NewClient(&redis.Options{Addr: addr, ReadTimeout: time.Minute})
	defer client.Close()
	return client.FlushAll(t.Context()).Err()
}

// namespaceOf is what a node's keys in Redis begin with: it is named in the first that the node writes for its endpoints.
func namespaceOf(t *testing.T, addr string) (namespace string) {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: addr})
	defer client.Close()
	eventually(t, "a node has said which endpoints it has", 3*time.Minute, func() bool {
		keys, err := client.Keys(t.Context(), "{*:events}:endpoints").Result()
		if err != nil || len(keys) != 1 {
			return false
		}
		namespace = strings.TrimSuffix(strings.TrimPrefix(keys[0], "{"), ":events}:endpoints")
		return true
	})
	return namespace
}

// fill queues events of pushes that never were, as a node does that has just been told of them: by the same code, into the same streams.
func fill(t *testing.T, addr, namespace string, n int, names ...string) {
	t.Helper()
	conn := redisconn.New(redis.NewClient(&redis.Options{Addr: addr}), redisconn.Options{})
	defer conn.Close()
	var to []*events.Endpoint
	for _, name := range names { // nobody is there: what the filler takes while it runs comes back into the queue
		e, err := events.NewEndpoint(events.Options{
			Name: name, URL: "http://127.0.0.1:9/", AllowPrivate: true, Threshold: 1, Concurrency: 1,
			Backoff: 100 * time.Millisecond, MaxBackoff: 100 * time.Millisecond, MaxAttempts: 1 << 20,
		})
		if err != nil {
			t.Fatal(err)
		}
		to = append(to, e)
	}
	filler := events.New(events.Settings{Registry: nowhere{}, Conn: conn, Namespace: namespace, Instance: "filler", Endpoints: to})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); filler.Run(ctx) }()
	defer func() { stop(); <-ended }()

	already := waiting(t, filler)
	origin := filler.Origin(events.Request{ID: "0123456789abcdef", Addr: "192.0.2.1:50000", Host: "registry.example.com", Method: "PUT", UserAgent: "filler"}, events.Actor{})
	for i := range n {
		tag := ulid.Make().String()
		note, err := events.Note(origin.ManifestPushed(events.Target{
			Repository: "filled/repo", Tag: reference.Tag(tag), Digest: digest.FromString(tag), Size: 1000, MediaType: v1.MediaTypeImageManifest,
		}))
		if err != nil {
			t.Fatal(err)
		}
		filler.Committed(storage.Entry{ID: ulid.Make().String(), Note: note})
		if (i+1)%4000 == 0 || i+1 == n { // less than it takes over at once
			eventually(t, "all of it is queued", 3*time.Minute, func() bool { return waiting(t, filler) >= already+int64(i+1) })
		}
	}
}

// waiting is how many entries the first endpoint has yet to take.
func waiting(t *testing.T, e *events.Events) int64 {
	s, err := e.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !s.Known {
		return -1
	}
	return s.Endpoints[0].Waiting
}

// nowhere is the registry of the filler. It has no journal, and is never the relay.
type nowhere struct{}

var _ events.Registry = nowhere{}

func (nowhere) Journal(context.Context, string, int) ([]string, string, error) { return nil, "", nil }
func (nowhere) Entry(context.Context, string) (*storage.Entry, error)          { return nil, nil }
func (nowhere) Outcome(context.Context, *storage.Entry) (storage.Outcome, error) {
	return storage.Pending, nil
}
func (nowhere) Settle(...string)                                         {}
func (nowhere) PutDead(context.Context, string, storage.DeadEvent) error { return nil }
func (nowhere) Hand(context.Context, ...storage.Handed) error            { return nil }
func (nowhere) HandedOver(context.Context, string, int) ([]string, string, error) {
	return nil, "", nil
}
func (nowhere) ReadHanded(context.Context, string) ([]storage.Handed, error) { return nil, nil }
func (nowhere) DropHanded(...string)                                         {}
func (nowhere) WithLease(context.Context, string, time.Duration, func(context.Context) error) error {
	return storage.ErrLeaseHeld
}
