package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/config"
	"github.com/registryd/registryd/internal/events"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// withStore gives a registry in a directory to seed it with, and closes it again, so that commands can have it.
func withStore(t *testing.T, data string, do func(*storage.Registry)) {
	t.Helper()
	c := config.Default()
	c.Storage.Filesystem.RootDirectory = data
	store, err := openStore(t.Context(), c, false)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	registry := storage.New(store, storage.Options{})
	if err := registry.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	do(registry)
}

// keep is an Outbox that never delivers.
type keep struct{}

func (keep) Committed(storage.Entry) {}

func pushed(t *testing.T, repository, tag string) []byte {
	t.Helper()
	origin := events.Origin{Registry: "http://r"}
	note, err := events.Note(origin.ManifestPushed(events.Target{Repository: reference.Name(repository), Tag: reference.Tag(tag), Digest: digest.Digest("sha256:" + strings.Repeat("a", 64)), MediaType: indexType}))
	if err != nil {
		t.Fatal(err)
	}
	return note
}

// nextMillisecond gives what comes later a later id: those of one millisecond have no order.
func nextMillisecond() {
	for begun := time.Now().UnixMilli(); time.Now().UnixMilli() == begun; {
	}
}

// putDead gives up on the push of a tag at a time, and gives the id of the letter.
func putDead(t *testing.T, r *storage.Registry, endpoint string, at time.Time, repository, tag string) string {
	t.Helper()
	id := ulid.MustNew(ulid.Timestamp(at), ulid.DefaultEntropy()).String()
	err := r.PutDead(t.Context(), endpoint, storage.DeadEvent{ID: id, Time: at.Add(time.Hour), Reason: "it refused with 400", Note: pushed(t, repository, tag)})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// eventsCommand runs one on a directory, and wants it to do well.
func eventsCommand(t *testing.T, data string, env []string, args ...string) string {
	t.Helper()
	code, stdout, stderr := invoke(t, env, slices.Concat([]string{"events"}, args, []string{"--data", data})...)
	if code != exitOK || stderr != "" {
		t.Fatalf("%v: exit %d: %s%s", args, code, stdout, stderr)
	}
	return stdout
}

var ciEnv = []string{"REGISTRY_NOTIFICATIONS_ENDPOINTS=[{name: ci, url: 'https://ci.example'}, {name: off, url: 'https://off.example', disabled: true}]"}

func TestEventsListAndStatus(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	withStore(t, data, func(r *storage.Registry) {
		r.HandTo(keep{})
		for _, name := range []reference.Name{"team/a", "team/b", "other"} {
			_, err := r.Repository(name).PutManifest(t.Context(), storage.Push{
				Tags: []reference.Tag{"1.0"}, MediaType: indexType, Content: []byte(emptyIndex), Note: func(storage.Pushed) []byte { return pushed(t, string(name), "1.0") },
			})
			if err != nil {
				t.Fatal(err)
			}
			nextMillisecond()
		}
		putDead(t, r, "ci", time.Now().Add(-3*time.Hour), "team/a", "0.9")
		putDead(t, r, "gone", time.Now().Add(-3*time.Hour), "team/a", "0.9")
	})
	list := eventsCommand(t, data, ciEnv, "list")
	want := regexp.MustCompile(`^ID +AGE +ACTION +REPOSITORY +TAG +DIGEST
[0-9A-Z]{26}  \d+s +push    team/a      1\.0  sha256:[0-9a-f]{64}
[0-9A-Z]{26}  \d+s +push    team/b      1\.0  sha256:[0-9a-f]{64}
[0-9A-Z]{26}  \d+s +push    other       1\.0  sha256:[0-9a-f]{64}
$`)
	if !want.MatchString(list) {
		t.Errorf("got %s", list)
	}
	for _, tt := range []struct {
		args []string
		n    int
	}{
		{[]string{"--repository", "team/*"}, 2}, {[]string{"--repository", "other"}, 1}, {[]string{"--endpoint", "ci"}, 3}, {[]string{"--since", "1h"}, 3}, {[]string{"--until", "1h"}, 0},
		{[]string{"--since", "0s"}, 0}, {[]string{"--since", "2020-01-01"}, 3}, {[]string{"--until", "2020-01-01T00:00:00Z"}, 0},
	} {
		if n := strings.Count(eventsCommand(t, data, ciEnv, append([]string{"list", "--json"}, tt.args...)...), "\n"); n != tt.n {
			t.Errorf("%v lists %d, want %d", tt.args, n, tt.n)
		}
	}
	var line listed
	first, _, _ := strings.Cut(eventsCommand(t, data, ciEnv, "list", "--json"), "\n")
	if err := json.Unmarshal([]byte(first), &line); err != nil || line.Repository != "team/a" || len(line.Events) != 1 || line.Events[0].Target.Tag != "1.0" || line.Time.IsZero() {
		t.Errorf("%s: %v", first, err)
	}
	if code, stdout, stderr := invoke(t, ciEnv, "events", "list", "--json", "--limit", "2", "--data", data); code != exitOK || strings.Count(stdout, "\n") != 2 ||
		stderr != "registryd: there are more than these 2; --limit 0 shows all of them\n" {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}

	status := eventsCommand(t, data, ciEnv, "status")
	want = regexp.MustCompile(`^Journal  3 entries, the oldest \d+s old

ENDPOINT  STATE     WAITING  OLDEST  BEST EFFORT  DEAD
ci        active    up to 3  \d+s +0            1
off       disabled  -        -       0            0
gone      unknown   -        -       0            1
$`)
	if !want.MatchString(status) {
		t.Errorf("got %s", status)
	}
	var s eventsStatus
	if err := json.Unmarshal([]byte(eventsCommand(t, data, ciEnv, "status", "--json")), &s); err != nil || s.Journal.Entries != 3 || *s.Endpoints[0].Waiting != 3 || s.Endpoints[0].Dead != 1 {
		t.Errorf("got %+v, %v", s, err)
	}
	eventually(t, func() string { // it asks for some seconds only
		if text := eventsCommandOf(t, data, ciEnv, "cluster", "status"); !strings.Contains(text, "QUEUE") || !strings.Contains(text, "journal  3 ") {
			return "the cluster's status: " + text
		}
		return ""
	})
}

func eventsCommandOf(t *testing.T, data string, env []string, args ...string) string {
	t.Helper()
	code, stdout, stderr := invoke(t, env, append(args, "--data", data)...)
	if code != exitOK {
		t.Fatalf("%v: exit %d: %s%s", args, code, stdout, stderr)
	}
	return stdout
}

func TestEventsDeadAndDrop(t *testing.T) {
	t.Parallel()
	data, now := t.TempDir(), time.Now()
	withStore(t, data, func(r *storage.Registry) {
		putDead(t, r, "ci", now.Add(-5*time.Hour), "team/a", "1")
		putDead(t, r, "ci", now.Add(-3*time.Hour), "team/b", "2")
		putDead(t, r, "ci", now.Add(-time.Hour), "other", "3")
		putDead(t, r, "gone", now.Add(-time.Hour), "team/a", "4")
		if err := r.PutDead(t.Context(), "gone", storage.DeadEvent{ID: ulid.Make().String(), Time: now, Reason: "it cannot be read", Note: []byte("?")}); err != nil {
			t.Fatal(err)
		}
	})
	want := regexp.MustCompile(`^ENDPOINT  ID +AGE +ACTION  REPOSITORY  TAG  DIGEST +REASON
ci +[0-9A-Z]{26}  5h +push    team/a      1    sha256:a{64}  it refused with 400
ci +[0-9A-Z]{26}  3h +push    team/b      2    sha256:a{64}  it refused with 400
ci +[0-9A-Z]{26}  60m +push    other       3    sha256:a{64}  it refused with 400
gone +[0-9A-Z]{26}  60m +push    team/a      4    sha256:a{64}  it refused with 400
gone +[0-9A-Z]{26}  \d+s +\? +- +- +it cannot be read
$`)
	if got := eventsCommand(t, data, nil, "dead"); !want.MatchString(got) {
		t.Errorf("got %s", got)
	}
	dead := func(args ...string) int {
		return strings.Count(eventsCommand(t, data, nil, append([]string{"dead", "--json"}, args...)...), "\n")
	}
	for _, tt := range []struct {
		args []string
		n    int
	}{{nil, 5}, {[]string{"--endpoint", "ci"}, 3}, {[]string{"--repository", "team/**"}, 3}, {[]string{"--since", "4h"}, 4}, {[]string{"--since", "4h", "--until", "2h"}, 1}, {[]string{"--endpoint", "none"}, 0}} {
		if n := dead(tt.args...); n != tt.n {
			t.Errorf("%v shows %d, want %d", tt.args, n, tt.n)
		}
	}

	for _, args := range [][]string{{"drop"}, {"drop", "--endpoint", "ci"}} { // nobody is there to be asked
		code, stdout, stderr := invoke(t, nil, append([]string{"events", "--data", data}, args...)...)
		if code != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "registryd: drop forgets dead letters for good; add --yes to say that you mean it; ") {
			t.Errorf("%v: exit %d: %s%s", args, code, stdout, stderr)
		}
	}
	for _, tt := range []struct {
		args []string
		said string
		left int
	}{
		{[]string{"--dry-run"}, "Would drop 5 dead letters.\n", 5},
		{[]string{"--yes", "--endpoint", "ci", "--repository", "team/*", "--until", "4h"}, "Dropped 1 dead letters.\n", 4},
		{[]string{"--yes", "--endpoint", "gone"}, "Dropped 2 dead letters.\n", 2},
		{[]string{"--yes"}, "Dropped 2 dead letters.\n", 0},
		{[]string{"--yes"}, "Dropped 0 dead letters.\n", 0},
	} {
		if said := eventsCommand(t, data, nil, append([]string{"drop"}, tt.args...)...); said != tt.said || dead() != tt.left {
			t.Errorf("%v: %s, and %d are left, want %d", tt.args, said, dead(), tt.left)
		}
	}
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{"yes\n": true, "yes": true, " yes \n": true, "y\n": false, "\n": false, "": false, "no\nyes\n": false} {
		var out bytes.Buffer
		a := &app{stderr: &out}
		if got := a.confirm(strings.NewReader(answer), 3); got != want || out.String() != "Forget 3 dead letters for good, which nobody can bring back? Type yes to do it: " {
			t.Errorf("%q: %v: %s", answer, got, out.String())
		}
	}
	if asks(strings.NewReader("yes")) {
		t.Error("somebody is taken to be there")
	}
}

// What an endpoint refused comes to it after all, by the ids and in the order it had, and to no other endpoint.
func TestReplay(t *testing.T) {
	t.Parallel()
	ci, other, data := listenForEvents(t), listenForEvents(t), t.TempDir()
	env := endpointsEnv(fmt.Sprintf("name: ci, url: '%s', ordered: true", ci.url), fmt.Sprintf("name: other, url: '%s'", other.url))
	ci.status.Store(http.StatusBadRequest)
	n, stop := start(t, env, quiet(data)...)
	ids := make(map[string]string)
	tags := []string{"1", "2", "3"}
	for _, tag := range tags {
		pushIndex(t, n, "a", tag)
		e := other.next(t)
		ids[e.Target.Tag] = e.ID
		nextMillisecond()
	}
	eventually(t, func() string {
		if strings.Count(eventsCommand(t, data, env, "dead", "--json"), "\n") < 3 {
			return "they are not given up on"
		}
		return ""
	})
	allTold(t, data, env)
	if code, _, stderr := invoke(t, env, "events", "replay", "--data", data); code != exitError || !strings.Contains(stderr, "in use by another registryd") {
		t.Errorf("beside a node in the same directory: exit %d: %s", code, stderr)
	}
	stop()
	if said := eventsCommand(t, data, env, "replay", "--dry-run"); said != "Would put back 3 dead letters.\n" {
		t.Errorf("got %s", said)
	}
	if said := eventsCommand(t, data, env, "replay"); said != "Put back 3 dead letters, which are delivered soon.\n" {
		t.Errorf("got %s", said)
	}
	if list := eventsCommand(t, data, env, "dead", "--json"); list != "" {
		t.Errorf("still dead: %s", list)
	}
	list := eventsCommand(t, data, env, "list", "--json")
	if strings.Count(list, "\n") != 3 || strings.Count(list, `"action":"replay","repository":"a","tags":["`) != 3 || strings.Count(list, `"endpoints":["ci"]`) != 3 {
		t.Errorf("the journal has %s", list)
	}
	if list := eventsCommand(t, data, env, "list", "--json", "--endpoint", "other"); list != "" {
		t.Errorf("others are to hear of %s", list)
	}

	ci.status.Store(0)
	_, stop = start(t, env, quiet(data)...)
	for _, tag := range tags {
		if e := ci.next(t); e.Target.Tag != tag || e.ID != ids[tag] {
			t.Errorf("got %+v, want tag %s with the id %s", e, tag, ids[tag])
		}
	}
	allTold(t, data, env)
	stop()
	ci.none(t)
	other.none(t)
	if list := eventsCommand(t, data, env, "list", "--json"); list != "" {
		t.Errorf("in the journal, after all was told: %s", list)
	}
}

// Nothing is put back that nobody would take: it would be lost.
func TestReplayLeavesWhatNobodyWants(t *testing.T) {
	t.Parallel()
	data, now := t.TempDir(), time.Now()
	withStore(t, data, func(r *storage.Registry) {
		putDead(t, r, "ci", now.Add(-time.Hour), "team/a", "1")
		putDead(t, r, "ci", now.Add(-time.Hour), "other", "1")
		putDead(t, r, "ci", now.Add(time.Hour), "team/a", "2") // by a clock that is ahead
		putDead(t, r, "gone", now.Add(-time.Hour), "team/a", "1")
		putDead(t, r, "off", now.Add(-time.Hour), "team/a", "1")
		if err := r.PutDead(t.Context(), "ci", storage.DeadEvent{ID: ulid.MustNew(ulid.Timestamp(now.Add(-time.Hour)), nil).String(), Time: now, Note: []byte("?")}); err != nil {
			t.Fatal(err)
		}
	})
	env := []string{"REGISTRY_NOTIFICATIONS_ENDPOINTS=[{name: ci, url: 'https://ci.example', include: team/*}, {name: off, url: 'https://off.example', disabled: true}]"}
	for _, endpoint := range []string{"gone", "off"} {
		code, stdout, stderr := invoke(t, env, "events", "replay", "--endpoint", endpoint, "--data", data)
		if code != exitError || stdout != "" || stderr != "registryd: notifications.endpoints has no endpoint "+endpoint+" that is not disabled; name one that it has, or correct the configuration\n" {
			t.Errorf("exit %d: %s%s", code, stdout, stderr)
		}
	}
	want := `Put back 2 dead letters, which are delivered soon.
Left 1 that their endpoint does not want any more, as it is configured now; drop them, or correct that.
Left 1 that cannot be read; they may be of a later version, or drop them.
Left those of gone, which is not among notifications.endpoints, or disabled; drop them, or correct that.
Left those of off, which is not among notifications.endpoints, or disabled; drop them, or correct that.
`
	if said := eventsCommand(t, data, env, "replay"); said != want {
		t.Errorf("got %s", said)
	}
	if n := strings.Count(eventsCommand(t, data, env, "dead", "--json"), "\n"); n != 4 {
		t.Errorf("%d are left, want 4", n)
	}
}

func TestEventsUsage(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	withStore(t, data, func(*storage.Registry) {})
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{nil, exitUsage, "events needs to know what to do: status, list, dead, replay or drop"},
		{[]string{"dead", "--since", "soon"}, exitUsage, `--since is "soon", which is no time; write one such as 2h (ago)`},
		{[]string{"dead", "--until", "-2h"}, exitUsage, `--until is "-2h", which is no time`},
		{[]string{"list", "--repository", "a//b"}, exitUsage, `--repository is "a//b", which is no name and no pattern`},
		{[]string{"drop", "--yes", "--endpoint", "../x"}, exitUsage, `--endpoint is "../x", which is no name of one`},
		{[]string{"list", "--endpoint", "none"}, exitError, "notifications.endpoints has no endpoint none"},
		{[]string{"status", "x"}, exitUsage, "takes no arguments"},
	} {
		code, stdout, stderr := invoke(t, nil, slices.Concat([]string{"events"}, tt.args, []string{"--data", data})...)
		if code != tt.code || stdout != "" || !strings.Contains(stderr, tt.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit %d: %s%s", tt.args, code, stdout, stderr)
		}
	}
	if code, _, stderr := invoke(t, nil, "events", "status", "--data", t.TempDir()); code != exitError || !strings.Contains(stderr, "holds no registry") {
		t.Errorf("of an empty directory: exit %d: %s", code, stderr)
	}
}
