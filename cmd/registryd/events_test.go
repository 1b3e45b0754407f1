package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/api"
	"github.com/registryd/registryd/internal/config"
	"github.com/registryd/registryd/internal/events"
	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/storage"
)

const (
	indexType = "application/vnd.oci.image.index.v1+json"
	// emptyIndex is the smallest manifest there is: it refers to nothing.
	emptyIndex = `{"schemaVersion":2,"mediaType":"` + indexType + `","manifests":[]}`
)

// received is one event as an endpoint gets it.
type received struct {
	ID     string
	Action string
	Target struct {
		Repository, Tag, Digest, URL string
	}
	Request struct{ Method, UserAgent string }
	Source  struct{ Addr, InstanceID string }
}

// listener is an endpoint. It answers with status while that is not 0, and else takes what comes.
type listener struct {
	url    string
	status atomic.Int32
	got    chan received
}

func listenForEvents(t *testing.T) *listener {
	t.Helper()
	l := &listener{got: make(chan received, 1000)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := l.status.Load(); status != 0 {
			http.Error(w, "not today", int(status))
			return
		}
		body, err := io.ReadAll(r.Body)
		var envelope struct{ Events []received }
		if err != nil || json.Unmarshal(body, &envelope) != nil {
			http.Error(w, "what is that", http.StatusBadRequest)
			return
		}
		for _, e := range envelope.Events {
			l.got <- e
		}
	}))
	t.Cleanup(server.Close)
	l.url = server.URL
	return l
}

// next gives the next event.
func (l *listener) next(t *testing.T) received {
	t.Helper()
	select {
	case e := <-l.got:
		return e
	case <-time.After(patience):
		t.Fatal("no event arrives")
		return received{}
	}
}

// none is for an endpoint that was told nothing more.
func (l *listener) none(t *testing.T) {
	t.Helper()
	select {
	case e := <-l.got:
		t.Errorf("an event too many: %+v", e)
	default:
	}
}

// endpointsEnv configures endpoints, each as name and the rest of what it says. They may take their time, or what they took is sent again; and they are
// tried again soon, however long they were away.
func endpointsEnv(endpoints ...string) []string {
	const usual = "{allowprivate: true, timeout: 2m, backoff: 100ms, maxbackoff: 1s, "
	return append(slices.Clone(quietEnv), "REGISTRY_NOTIFICATIONS_ENDPOINTS=["+usual+strings.Join(endpoints, "}, "+usual)+"}]")
}

// allTold waits until nothing stands in the journal. A node that stops has five seconds for what is under way.
func allTold(t *testing.T, data string, env []string) {
	t.Helper()
	eventually(t, func() string {
		if list := eventsCommand(t, data, env, "list", "--json"); list != "" {
			return "in the journal stands " + list
		}
		return ""
	})
}

func pushIndex(t *testing.T, n *node, repository, tag string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPut, "http://"+n.addr+"/v2/"+repository+"/manifests/"+tag, strings.NewReader(emptyIndex))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", indexType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("the push gives %s", resp.Status)
	}
}

// A push is told of once its tag can be pulled, by the name of the node that took it, and then the journal is empty.
func TestAPushIsToldOf(t *testing.T) {
	t.Parallel()
	l, data := listenForEvents(t), t.TempDir()
	env := endpointsEnv(fmt.Sprintf("name: ci, url: '%s', ignore: {actions: [pull]}, include: 'team/**'", l.url))
	n, stop := start(t, env, quiet(data)...)
	pushIndex(t, n, "other/app", "1")
	pushIndex(t, n, "team/app", "1.0")
	e := l.next(t)
	want := digest.FromString(emptyIndex).String()
	if e.Action != "push" || e.Target.Repository != "team/app" || e.Target.Tag != "1.0" || e.Target.Digest != want || e.Request.Method != http.MethodPut ||
		e.Target.URL != "http://"+n.addr+"/v2/team/app/manifests/"+want {
		t.Errorf("got %+v", e)
	}
	if e.Source.Addr != n.addr || e.Source.InstanceID == "" {
		t.Errorf("it comes from %+v, want %s", e.Source, n.addr)
	}
	allTold(t, data, env)
	if code := stop(); code != exitOK {
		t.Errorf("exit %d", code)
	}
	l.none(t)
	if code, stdout, stderr := invoke(t, env, "events", "list", "--json", "--data", data); code != exitOK || stdout != "" || stderr != "" {
		t.Errorf("in the journal, after all was told: exit %d: %s%s", code, stdout, stderr)
	}
}

// Without endpoints nothing stays in the journal either, and what a node left behind that died is settled.
func TestTheJournalIsEmptyWithoutEndpoints(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	n, stop := start(t, quietEnv, quiet(data)...)
	pushIndex(t, n, "a", "1")
	stop()
	if code, stdout, _ := invoke(t, nil, "events", "status", "--data", data); code != exitOK ||
		stdout != "Journal  empty\n\nThere are no endpoints; notifications.endpoints names them.\n" {
		t.Errorf("exit %d: %s", code, stdout)
	}
}

func TestServeRefusesAnEndpoint(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ endpoint, want string }{
		{"{name: ci, url: 'http://127.0.0.1/x'}", "endpoint ci: "},
		{"{name: ci, url: 'https://a', tls: {rootcas: /none.pem}}", "endpoint ci: read the file that tls.rootcas names"},
		{"{name: ci, url: 'ftp://hunter2@a'}", "notifications.endpoints[ci].url is not a URL"},
	} {
		code, _, stderr := invoke(t, append(slices.Clone(quietEnv), "REGISTRY_NOTIFICATIONS_ENDPOINTS=["+tt.endpoint+"]"), quiet(t.TempDir())...)
		if code != exitError || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, tt.want) || strings.Contains(stderr, "hunter2") {
			t.Errorf("%s: exit %d: %s", tt.endpoint, code, stderr)
		}
	}
}

func TestNotifier(t *testing.T) {
	t.Parallel()
	n := &notifier{source: events.Source{Addr: "node:5000", InstanceID: "node-1"}, log: zap.NewNop()}
	caller := api.Caller{Registry: "https://r.example", Request: "id", Addr: "10.0.0.1:1", Host: "r.example", Method: "PUT", UserAgent: "ua"}
	of := func(action api.Action, kind api.Kind) api.Happening {
		return api.Happening{
			Caller: caller, Action: action, Kind: kind, Repository: "a/b", From: "c", Tag: "1", Digest: "sha256:x", MediaType: "m/t", Size: 7,
			Content: storage.Content{ArtifactType: "art", References: []manifest.Descriptor{{Digest: "sha256:y"}}},
		}
	}
	for _, tt := range []struct {
		of   api.Happening
		want events.Target
		tell func(events.Event) bool
	}{
		{of: of(api.ActionPush, api.KindManifest), want: events.Target{Repository: "a/b", Tag: "1", MediaType: "m/t", Digest: "sha256:x", Size: 7, ArtifactType: "art"}},
		{of: of(api.ActionPull, api.KindManifest), want: events.Target{Repository: "a/b", Tag: "1", MediaType: "m/t", Digest: "sha256:x", Size: 7, ArtifactType: "art"}},
		{of: of(api.ActionDelete, api.KindManifest), want: events.Target{Repository: "a/b", Digest: "sha256:x"}},
		{of: of(api.ActionDelete, api.KindTag), want: events.Target{Repository: "a/b", Tag: "1"}},
		{of: of(api.ActionPush, api.KindBlob), want: events.Target{Repository: "a/b", MediaType: "application/octet-stream", Digest: "sha256:x", Size: 7}},
		{of: of(api.ActionPull, api.KindBlob), want: events.Target{Repository: "a/b", MediaType: "application/octet-stream", Digest: "sha256:x", Size: 7}},
		{of: of(api.ActionMount, api.KindBlob), want: events.Target{Repository: "a/b", FromRepository: "c", MediaType: "application/octet-stream", Digest: "sha256:x", Size: 7}},
		{of: of(api.ActionDelete, api.KindBlob), want: events.Target{Repository: "a/b", Digest: "sha256:x"}},
	} {
		name := string(tt.of.Action) + " " + string(tt.of.Kind)
		e := n.event(tt.of)
		if string(e.Action) != string(tt.of.Action) || string(e.Kind) != string(tt.of.Kind) || fmt.Sprint(e.Target) != fmt.Sprint(tt.want) {
			t.Errorf("%s: got %s %s %+v, want %+v", name, e.Action, e.Kind, e.Target, tt.want)
		}
		if e.Source != n.source || e.Registry != caller.Registry || e.ID == "" || e.Request != (events.Request{ID: "id", Addr: "10.0.0.1:1", Host: "r.example", Method: "PUT", UserAgent: "ua"}) {
			t.Errorf("%s: got %+v", name, e)
		}
	}
	note := n.Note(of(api.ActionPush, api.KindManifest), of(api.ActionPush, api.KindManifest))
	if all, err := events.ParseNote(note); err != nil || len(all) != 2 || all[0].ID == all[1].ID {
		t.Errorf("of two tags: %+v, %v", all, err)
	}
	n.references = true
	if e := n.event(of(api.ActionPush, api.KindManifest)); len(e.Target.References) != 1 {
		t.Errorf("with references: %+v", e.Target)
	}
}

func TestEndpointOptions(t *testing.T) {
	t.Parallel()
	c := config.DefaultEndpoint()
	c.Name, c.URL, c.Secret = "ci", "https://u:p@ci.example/x", "s"
	c.Headers = map[string][]config.Secret{"Authorization": {"Bearer x"}}
	c.IgnoredMediaTypes, c.Ignore = []string{"a/b"}, config.Ignore{MediaTypes: []string{"c/d"}, Actions: []string{"pull"}}
	o := endpointOptions(c)
	if o.URL != "https://u:p@ci.example/x" || o.Headers.Get("Authorization") != "Bearer x" || string(o.Secrets[0]) != "s" || len(o.Secrets) != 1 ||
		!slices.Equal(o.IgnoredMediaTypes, []string{"a/b", "c/d"}) || !slices.Equal(o.IgnoredActions, []events.Action{events.Pull}) {
		t.Errorf("got %#v", o)
	}
	// What is left out means the same here and there.
	plain := config.DefaultEndpoint()
	plain.Name, plain.URL = "ci", "https://ci.example"
	got, err := events.NewEndpoint(endpointOptions(plain))
	if err != nil {
		t.Fatal(err)
	}
	want, err := events.NewEndpoint(events.Options{Name: "ci", URL: "https://ci.example"})
	if err != nil {
		t.Fatal(err)
	}
	want.Options.Headers = http.Header{}
	if fmt.Sprintf("%+v", visible(got.Options)) != fmt.Sprintf("%+v", visible(want.Options)) {
		t.Errorf("the defaults are\n%+v, want\n%+v", visible(got.Options), visible(want.Options))
	}
}

// visible is without the method that keeps options out of logs.
func visible(o events.Options) any {
	type plain events.Options
	return plain(o)
}
