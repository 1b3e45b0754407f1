package integration_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/storage"
)

// unreliable fails one call in thirty: half of those do nothing, half of them are not answered.
func unreliable(c drivertest.Call) drivertest.Outcome {
	switch rand.IntN(60) {
	case 0:
		return drivertest.NotApplied
	case 1:
		return drivertest.Unanswered
	}
	return drivertest.Pass
}

// TestSchema1Signers: eight hosts sign one payload, with keys of all types, through three nodes at once, on a store that fails now and then. Each round
// all eight signatures are served by all nodes, by tag and by digest, and verify.
func TestSchema1Signers(t *testing.T) {
	t.Parallel()
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			faulty := drivertest.NewFaulty(s.open(t), nil)
			nodes := []*registry{start(t, faulty, schema1, remember), start(t, faulty, schema1, remember), start(t, faulty, schema1, remember)}
			keys := signingKeys()
			for round := range 100 {
				faulty.SetPlan(nil)
				name := fmt.Sprintf("round%d", round%10) // in the end, ten rounds in one repository
				tag := fmt.Sprintf("v%d", round)
				payload := payloadOf(name, tag, nodes[0].pushLayer(name, "layer"))
				faulty.SetPlan(unreliable)
				var group sync.WaitGroup
				for i, key := range keys {
					node, ref := nodes[(i+round)%3], tag
					if i%4 == 3 {
						ref = sha256(payload).String()
					}
					signed := node.sign(payload, key)
					group.Go(func() { node.insist(name, ref, signed) })
				}
				group.Wait()
				if t.Failed() {
					return
				}
				faulty.SetPlan(nil)
				var before []byte
				for _, node := range nodes {
					for _, ref := range []string{tag, sha256(payload).String()} {
						if before != nil {
							node.do(http.MethodGet, "/v2/"+name+"/manifests/"+ref).want(http.StatusOK).is(before)
							continue
						}
						before = node.allSigned(name, ref, payload, len(keys))
					}
				}
			}
			nodes[0].sound()
		})
	}
}

// insist pushes until it is told that it is done.
func (r *registry) insist(name, ref string, content []byte) {
	for deadline := time.Now().Add(time.Minute); ; {
		a, err := r.try(http.MethodPut, "/v2/"+name+"/manifests/"+ref, header("Content-Type", manifest.MediaTypeSchema1Signed), body(content))
		switch {
		case err != nil:
			r.Error(err)
			return
		case a.status == http.StatusCreated:
			return
		case a.status != http.StatusServiceUnavailable || time.Now().After(deadline):
			r.Errorf("%s: status %d, %s", a.what, a.status, a.body)
			return
		}
	}
}

// allSigned is servesSigned, in one look.
func (r *registry) allSigned(name, ref string, payload []byte, signatures int) []byte {
	r.Helper()
	a := r.do(http.MethodGet, "/v2/"+name+"/manifests/"+ref).want(http.StatusOK).has("Docker-Content-Digest", sha256(payload).String())
	got, all, err := manifest.Verify(a.body, 1000)
	if err != nil || !bytes.Equal(got, payload) || len(all) != signatures {
		r.Fatalf("%s: %d signatures, want %d, %v", a.what, len(all), signatures, err)
	}
	signers := map[string]bool{}
	for _, s := range all {
		signers[s.KeyID] = true
	}
	if len(signers) != signatures {
		r.Fatalf("%s: signed by %d keys, want %d", a.what, len(signers), signatures)
	}
	return a.body
}

// damage runs a deep fsck and gives how much of it there is.
func (r *registry) damage() int {
	r.Helper()
	summary, err := storage.New(r.driver, storage.Options{}).Fsck(r.Context(), storage.FsckOptions{Deep: true, Finding: func(f storage.Finding) {
		if f.Severity == storage.Damage || strings.Contains(f.Message, "not one of registryd's") {
			r.Log(f.Severity, f.Key, f.Message)
		}
	}})
	if err != nil {
		r.Fatal(err)
	}
	return summary.Damage
}

// sound fails if fsck finds damage.
func (r *registry) sound() {
	r.Helper()
	if n := r.damage(); n > 0 {
		r.Errorf("fsck finds %d times damage", n)
	}
}

// overwrite puts something where it does not belong.
func (r *registry) overwrite(key string, content []byte) {
	r.Helper()
	if _, err := r.driver.Put(r.Context(), key, bytes.NewReader(content), drivers.Cond{}); err != nil {
		r.Fatal(err)
	}
}
