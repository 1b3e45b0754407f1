//go:build stores

package consistency_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/internal/teststore"
	"github.com/registryd/registryd/test/integration/cluster"
	"github.com/registryd/registryd/test/rawclient"
)

// documentedUser is the rules of the user that docs/configuration.md has for Redis, without its name.
func documentedUser(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "<!-- acl -->\n```\nuser registryd ")
	rules, _, ended := strings.Cut(rest, "```")
	if !found || !ended {
		t.Fatal("docs/configuration.md has no such user")
	}
	return strings.Fields(strings.ReplaceAll(rules, ">PASSWORD", ">secret"))
}

// TestUserMayRunScripts: the user may do all that is in our scripts, also what they do seldom.
func TestUserMayRunScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../internal/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	rules, call := documentedUser(t), regexp.MustCompile(`redis\.p?call\('([A-Z]+)'`)
	commands := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, found := range call.FindAllSubmatch(text, -1) {
			commands[strings.ToLower(string(found[1]))] = true
		}
	}
	for _, command := range slices.Sorted(maps.Keys(commands)) {
		if !slices.Contains(rules, "+"+command) {
			t.Errorf("a script does %s, which docs/configuration.md does not list", command)
		}
	}
	if len(commands) < 30 {
		t.Errorf("only %d commands were found in scripts", len(commands))
	}
}

// TestUser: with the user that docs/configuration.md lists, Redis refuses nothing that a cluster does with it.
func TestUser(t *testing.T) {
	t.Parallel()
	process, err := teststore.StartRedis()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Stop)
	admin := redis.NewClient(&redis.Options{Addr: process.Addr})
	t.Cleanup(func() { _ = admin.Close() })
	args := []any{"ACL", "SETUSER", "registryd"}
	for _, rule := range documentedUser(t) {
		args = append(args, rule)
	}
	if err := admin.Do(t.Context(), args...).Err(); err != nil {
		t.Fatal(err)
	}
	sink := newEventSink(t)
	c := cluster.Start(t, cluster.Options{Nodes: 2, Provider: "redis", Env: []string{
		"REGISTRY_REDIS_ADDRS=" + process.Addr, "REGISTRY_REDIS_USERNAME=registryd", "REGISTRY_REDIS_PASSWORD=secret", "REGISTRY_REDIS_DB=1",
		fmt.Sprintf("REGISTRY_NOTIFICATIONS_ENDPOINTS=[{name: a, url: '%[1]s/a', allowprivate: true, backoff: 100ms}, {name: b, url: '%[1]s/b', allowprivate: true, ordered: true}]", sink.URL),
	}})
	s := newStress(t, urls(c), 0)
	random := rand.New(rand.NewPCG(*seed, 1))
	use := func(round int) {
		t.Helper()
		im, err := s.push(random, "team/app", fmt.Sprintf("v%d", round))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.remove(random, im); err != nil {
			t.Fatal(err)
		}
		a, err := s.ask("POST upload", http.MethodPost, s.nodes[0]+"/v2/team/app/blobs/uploads/", nil, http.StatusAccepted)
		if err != nil {
			t.Fatal(err)
		}
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			if _, err := s.ask(method+" upload", method, s.nodes[1]+location(a), nil, http.StatusNoContent); err != nil {
				t.Fatal(err)
			}
		}
	}
	deadline := time.Now().Add(5 * time.Minute)
	for round := 0; ; round++ {
		use(round)
		figures, err := c.Node(0).Metrics(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if round > 5 && figures[`registryd_facts_total{result="hit"}`] > 0 && figures[`registryd_facts_changed_total{result="told"}`] > 0 && sink.refused.Load() > 0 &&
			sink.a.Load() > 5 && sink.b.Load() > 5 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not everything was used: %d and %d requests to the sink", sink.a.Load(), sink.b.Load())
		}
	}
	for deadline := time.Now().Add(time.Minute); ; pass(t.Context(), time.Second) { // Redis may be slow now and then
		status, err := rawclient.Send(t.Context(), s.http, http.MethodGet, c.Node(0).Debug()+"/cluster", nil)
		if err != nil {
			t.Fatal(err)
		}
		var view struct {
			Nodes  []any
			Errors []string
		}
		err = json.Unmarshal(status.Body, &view)
		if err == nil && len(view.Nodes) == 2 && len(view.Errors) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("the status is %s, %v", status.Body, err)
			break
		}
	}
	refused, err := admin.Do(t.Context(), "ACL", "LOG").Slice()
	if err != nil || len(refused) > 0 {
		t.Errorf("Redis refused %v, %v", refused, err)
	}
	keys, err := admin.Do(t.Context(), "INFO", "keyspace").Text()
	if err != nil || !strings.Contains(keys, "db1:") {
		t.Errorf("in Redis there is %q, %v", keys, err)
	}
	for _, n := range c.Nodes() { // that Redis was slow now and then says nothing
		if log := n.Log(); strings.Contains(log, "NOPERM") || strings.Contains(log, "NOAUTH") || strings.Contains(log, "WRONGPASS") {
			t.Errorf("Redis refused something to a node:\n%s", log)
		}
	}
	c.Check(t)
}

// eventSink takes events, but for the first few.
type eventSink struct {
	*httptest.Server
	a, b, refused atomic.Int64
}

func newEventSink(t *testing.T) *eventSink {
	s := &eventSink{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if s.refused.Add(1) <= 4 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if r.URL.Path == "/a" {
			s.a.Add(1)
		} else {
			s.b.Add(1)
		}
	}))
	t.Cleanup(s.Close)
	return s
}
