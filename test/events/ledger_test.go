//go:build stores

package events_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// deed is a push or a deletion. No two requests of a test are about the same, so that events that tell of one tell of one request. A push names tag and
// digest, or a digest alone; a deletion one of both.
type deed struct{ action, repository, tag, digest string }

// reference is what a deed was done to.
func (d deed) reference() string {
	if d.tag != "" {
		return d.tag
	}
	return d.digest
}

func pushOf(repository, tag string, content []byte) deed {
	return deed{"push", repository, tag, digest.FromBytes(content).String()}
}

// ledger holds what clients did against what the sink was told. Safe for concurrent use.
type ledger struct {
	mu       sync.Mutex
	tried    map[deed]bool           // also what was not acknowledged
	acked    map[deed]bool           // answered with 201 or 202
	ids      map[deed]map[string]int // how often it was told of, by the event's id
	of       map[string]deed         // what an id stands for
	doomed   map[string]bool         // repository/reference: somebody is deleting it, or has done so
	mistakes []string
}

func newLedger() *ledger {
	return &ledger{tried: map[deed]bool{}, acked: map[deed]bool{}, ids: map[deed]map[string]int{}, of: map[string]deed{}, doomed: map[string]bool{}}
}

// tries is called before a request, acks after its answer.
func (l *ledger) tries(d deed) { l.mu.Lock(); defer l.mu.Unlock(); l.tried[d] = true }
func (l *ledger) acks(d deed)  { l.mu.Lock(); defer l.mu.Unlock(); l.acked[d] = true }

// dooms is called before a push is undone, by deleting its tag or its manifest.
func (l *ledger) dooms(push deed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.doomed[push.repository+"/"+push.tag], l.doomed[push.repository+"/"+push.digest] = true, true
}

func (l *ledger) isDoomed(d deed) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.doomed[d.repository+"/"+d.reference()]
}

// mistake is for what must not be.
func (l *ledger) mistake(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mistakes = append(l.mistakes, what)
}

// hears notes an event.
func (l *ledger) hears(e told) deed {
	d := deed{e.Action, e.Target.Repository, e.Target.Tag, e.Target.Digest}
	l.mu.Lock()
	defer l.mu.Unlock()
	if before, ok := l.of[e.ID]; ok && before != d || e.ID == "" {
		l.mistakes = append(l.mistakes, "the id "+e.ID+" stands for two events")
	}
	if !l.tried[d] {
		l.mistakes = append(l.mistakes, "an event of what nobody did: "+d.action+" "+d.repository+":"+d.tag+"@"+d.digest)
	}
	if d.action == "push" && e.Target.MediaType != v1.MediaTypeImageManifest {
		l.mistakes = append(l.mistakes, "a push of the media type "+e.Target.MediaType)
	}
	l.of[e.ID] = d
	if l.ids[d] == nil {
		l.ids[d] = map[string]int{}
	}
	l.ids[d][e.ID]++
	return d
}

func (l *ledger) heard(d deed) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.ids[d]) > 0
}

// count says how many deeds of a kind were acknowledged, and how many of these nobody was told of.
func (l *ledger) count(action string) (acked, missing int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for d := range l.acked {
		if d.action != action {
			continue
		}
		acked++
		if len(l.ids[d]) == 0 {
			missing++
		}
	}
	return acked, missing
}

// check prints the figures, and fails for what is lost or wrong.
func (l *ledger) check(t *testing.T) {
	t.Helper()
	pushes, lostPushes := l.count("push")
	deletions, lostDeletions := l.count("delete")
	l.mu.Lock()
	defer l.mu.Unlock()
	requests, again, unacked, toldOf := 0, 0, 0, 0
	for d := range l.tried {
		ids := l.ids[d]
		if len(ids) > 1 {
			t.Errorf("%+v was told of under %d ids", d, len(ids))
		}
		for _, n := range ids {
			requests, again = requests+n, again+n-1
		}
		if !l.acked[d] {
			unacked++
			toldOf += min(len(ids), 1)
		}
	}
	t.Logf("%d pushes and %d deletions were acknowledged, %d requests were not (%d of them were told of); %d events arrived, %d of them once more; lost: %d",
		pushes, deletions, unacked, toldOf, requests, again, lostPushes+lostDeletions)
	if lostPushes+lostDeletions > 0 {
		t.Errorf("%d pushes and %d deletions were acknowledged and not told of", lostPushes, lostDeletions)
	}
	slices.Sort(l.mistakes)
	for i, what := range slices.Compact(l.mistakes) {
		if i < 20 {
			t.Error(what)
		}
	}
}
