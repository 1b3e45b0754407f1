package integration_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
)

// together runs both at the same time.
func together(do ...func()) {
	var group sync.WaitGroup
	start := make(chan struct{})
	for _, f := range do {
		group.Go(func() { <-start; f() })
	}
	close(start)
	group.Wait()
}

// rounds is how often a race is run: less often on S3, where a round takes longest and the driver's own tests run the same races on every size of part.
func (r *registry) rounds(n int) int {
	if r.direct() {
		return n / 3
	}
	return n
}

// TestTwoPatchesAtOnce goes on from one token in two ways at once. Any of them may win, both may: but what is served under a digest has that digest.
func TestTwoPatchesAtOnce(t *testing.T) {
	carried(t, func(r *registry) {
		bothLost, rounds := 0, r.rounds(100)
		for round := range rounds {
			var before []byte
			location := r.begin("a")
			if round%2 == 1 {
				before = fmt.Appendf(nil, "before %d ", round)
				location = r.do("PATCH", location, body(before)).want(http.StatusAccepted).location()
			}
			contents := [2][]byte{}
			for i := range contents {
				contents[i] = append(append([]byte{}, before...), noise(1000+round*i, uint64(2*round+i))...)
			}
			won := [2]bool{}
			push := func(i int) func() {
				return func() { won[i] = r.finishes(location, contents[i], len(before)) }
			}
			together(push(0), push(1))
			if !won[0] && !won[1] {
				bothLost++
				if r.shared == nil || bothLost > rounds/4 { // with Redis, each may be told that the other is at it, if the machine holds one up just then
					r.Fatalf("round %d: both lost, as in %d rounds before", round, bothLost-1)
				}
				won = r.ends(location, contents, len(before))
			}
			for i, content := range contents {
				if won[i] {
					r.holds("a", sha256(content), content)
				} else {
					r.lacksBlob("a", sha256(content))
				}
			}
		}
	})
}

// ends goes on with an upload that two have given up, from where it stands, and says whose content it has become.
func (r *registry) ends(location string, contents [2][]byte, from int) (won [2]bool) {
	r.Helper()
	status := r.do("GET", location).want(http.StatusNoContent)
	if status.header.Get("Range") == fmt.Sprintf("0-%d", max(from-1, 0)) {
		won[0] = r.finishes(status.location(), contents[0], from)
	} else {
		for i, content := range contents {
			if r.do("PUT", closing(status.location(), sha256(content))).status == http.StatusCreated {
				won[i] = true
				break
			}
		}
	}
	if !won[0] && !won[1] {
		r.Fatalf("both lost, and nobody can end it: it stands at %s", status.header.Get("Range"))
	}
	return won
}

// finishes sends what is left of content and closes the upload, and says whether that worked. It may run beside the test.
func (r *registry) finishes(location string, content []byte, from int) bool {
	a, err := r.try("PATCH", location, body(content[from:]))
	if err != nil {
		r.Error(err)
		return false
	}
	switch a.status {
	case http.StatusAccepted:
	case http.StatusRequestedRangeNotSatisfiable, http.StatusNotFound:
		return false
	default:
		r.Errorf("PATCH: %d %s", a.status, a.body)
		return false
	}
	if a, err = r.try("PUT", closing(a.header.Get("Location"), sha256(content))); err != nil {
		r.Error(err)
		return false
	}
	switch a.status {
	case http.StatusCreated:
		return true
	case http.StatusNotFound, http.StatusRequestedRangeNotSatisfiable:
	default:
		r.Errorf("PUT: %d %s", a.status, a.body)
	}
	return false
}

// TestTwoPutsAtOnce closes one upload twice at the same time, with and without a last body.
func TestTwoPutsAtOnce(t *testing.T) {
	carried(t, func(r *registry) {
		for round := range r.rounds(40) {
			size := []int{1000, 150_000}[round%2]
			content := noise(size, uint64(round))
			split := []int{0, size / 2, size}[round%3]
			location := r.begin("a")
			if split > 0 {
				location = r.do("PATCH", location, body(content[:split])).want(http.StatusAccepted).location()
			}
			var answers [2]*answer
			var errs [2]error
			put := func(i int) func() {
				return func() { answers[i], errs[i] = r.try("PUT", closing(location, sha256(content)), body(content[split:])) }
			}
			together(put(0), put(1))
			created := 0
			for i, a := range answers {
				if errs[i] != nil {
					r.Fatal(errs[i])
				}
				switch a.status {
				case http.StatusCreated:
					created++
				case http.StatusNotFound, http.StatusRequestedRangeNotSatisfiable:
				default:
					r.Errorf("round %d: %d %s", round, a.status, a.body)
				}
			}
			if created == 0 {
				r.Errorf("round %d: none succeeded: %d %d", round, answers[0].status, answers[1].status)
			}
			r.holds("a", sha256(content), content)
		}
	})
}

// TestSamePushAtOnce pushes one blob from many clients at once, to several repositories, under two digests.
func TestSamePushAtOnce(t *testing.T) {
	carried(t, func(r *registry) {
		content := noise(150_000, 1)
		var all []func()
		for i := range 8 {
			all = append(all, func() {
				d := []digest.Digest{sha256(content), sha512(content)}[i/4]
				a, err := r.try("POST", fmt.Sprintf("/v2/repo%d/blobs/uploads/?digest=%s", i%2, d), body(content))
				if err != nil {
					r.Error(err)
				} else if a.status != http.StatusCreated {
					r.Errorf("%d %s", a.status, a.body)
				}
			})
		}
		together(all...)
		for _, name := range []string{"repo0", "repo1"} {
			r.holds(name, sha256(content), content)
			r.holds(name, sha512(content), content)
		}
	})
}
