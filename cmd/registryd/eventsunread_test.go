package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/events"
	"github.com/registryd/registryd/internal/storage"
)

var errAway = errors.New("the store is away, says the test")

// away is a store of which some objects cannot be read at the moment.
type away struct {
	drivers.Driver
	part string // of their keys
}

func (a away) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, drivers.Info, error) {
	if a.part != "" && strings.Contains(key, a.part) {
		return nil, drivers.Info{}, errAway
	}
	return a.Driver.Open(ctx, key, off, n)
}

// putRaw writes something of a later release, as old as is said, and gives its id.
func putRaw(t *testing.T, d drivers.Driver, prefix string, age time.Duration) string {
	t.Helper()
	id := ulid.MustNew(ulid.Timestamp(time.Now().Add(-age)), ulid.DefaultEntropy()).String()
	if _, err := d.Put(t.Context(), "docker/registry/v2/"+prefix+id, bytes.NewReader([]byte(`{"v":2,"nonce":"x"}`)), drivers.Cond{IfAbsent: true}); err != nil {
		t.Fatal(err)
	}
	return id
}

// What cannot be read is shown or counted, and holds up none of the others; a store that is away ends each command.
func TestUnread(t *testing.T) {
	t.Parallel()
	d := drivertest.NewFake(t)
	seed := storage.New(d, storage.Options{})
	dead := putRaw(t, d, "dead/ci/", 2*time.Hour)
	for i, tag := range []string{"1", "2", "3"} {
		putDead(t, seed, "ci", time.Now().Add(-time.Hour+time.Duration(i)*time.Minute), "a", tag)
	}
	entry := putRaw(t, d, "journal/", time.Hour)
	if err := seed.NewReplay().Enter(t.Context(), storage.Entry{Repository: "a", Endpoints: []string{"ci"}, Note: pushed(t, "a", "4")}); err != nil {
		t.Fatal(err)
	}
	endpoint, err := events.NewEndpoint(events.Options{Name: "ci", URL: nowhere})
	if err != nil {
		t.Fatal(err)
	}
	command := func(part string, do func(*app, *desk) error) (out, errs string, err error) {
		registry, endpoints := storage.New(away{d, part}, storage.Options{}), []*events.Endpoint{endpoint}
		var stdout, stderr bytes.Buffer
		err = do(&app{stdout: &stdout, stderr: &stderr}, &desk{registry, newEvents(registry, nil, "", "", endpoints, nil, nil), endpoints})
		return stdout.String(), stderr.String(), err
	}
	all := &eventFilter{}
	list := func(a *app, k *desk) error { return (&lister{app: a, json: true}).journal(t.Context(), k, all) }
	deads := func(a *app, k *desk) error { return (&lister{app: a, json: true}).dead(t.Context(), k, all) }
	status := func(a *app, k *desk) error {
		s, err := k.status(t.Context())
		if err != nil {
			return err
		}
		return s.write(a.stdout)
	}
	replay := func(a *app, k *desk) error {
		return (&replayer{app: a, desk: k, filter: &eventFilter{}}).run(t.Context())
	}
	drop := func(f *eventFilter) func(*app, *desk) error {
		return func(a *app, k *desk) error {
			return a.dropDead(t.Context(), k, f, false, func(int) bool { return true })
		}
	}
	ofA := &eventFilter{include: endpoint} // which wants all
	for _, tt := range []struct {
		name  string
		do    func(*app, *desk) error
		away  string
		wants []string
		lines int
	}{
		{"list", list, "/journal/", []string{`"id":"` + entry + `"`, `"action":"?"`, "format version 2"}, 2},
		{"dead", deads, "/dead/", []string{`"id":"` + dead + `"`, `"action":"?"`, "format version 2"}, 4},
		{"status", status, "/journal/", []string{"1 of them cannot be read", "up to 2"}, 5},
		{"replay", replay, "/dead/", []string{"Put back 3 dead letters", "Left 1 that cannot be read"}, 2},
		{"replay again", replay, "/dead/", []string{"Put back 0 dead letters", "Left 1 that cannot be read"}, 2},
		{"drop those of a repository", drop(ofA), "/dead/", []string{"Dropped 0 dead letters"}, 1},
		{"drop", drop(all), "", []string{"Dropped 1 dead letters"}, 1},
	} {
		if tt.away != "" {
			if _, _, err := command(tt.away, tt.do); !errors.Is(err, errAway) {
				t.Errorf("%s, of a store that is away: %v", tt.name, err)
			}
		}
		out, errs, err := command("", tt.do)
		if err != nil || strings.Count(out, "\n") != tt.lines {
			t.Errorf("%s: %v: %s%s", tt.name, err, out, errs)
		}
		for _, want := range tt.wants {
			if !strings.Contains(out, want) {
				t.Errorf("%s says %s%s, want %q", tt.name, out, errs, want)
			}
		}
		if tt.name == "list" && !strings.HasPrefix(errs, "registryd: 1 of these entries cannot be read") {
			t.Errorf("%s: %s", tt.name, errs)
		}
	}
}
