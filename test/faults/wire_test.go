//go:build stores

package faults_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// What befalls a request to the store, as parts of one.
const (
	lostRequests = 0.10 // fail before they are sent
	lostAnswers  = 0.05 // are applied, but the answer is lost; one that has a body, half of them lose only the rest of it
	maxLatency   = 20 * time.Millisecond

	// Now and then the store is away altogether: the last so many of so many requests are lost. That is more than the driver's own patience, so that
	// the clients hear of it.
	outage      = 120
	outageEvery = 500
)

var errWire = errors.New("injected: the connection broke")

// wire breaks and delays the requests of a driver.
type wire struct {
	next http.RoundTripper

	mu       sync.Mutex
	random   *rand.Rand
	requests int
	lost     int // requests that were not sent
	mute     int // answers that were lost, whole or in part
}

func newWire(seed uint64) *wire { return &wire{random: rand.New(rand.NewPCG(seed, 1))} }

func (w *wire) wrap(next http.RoundTripper) http.RoundTripper { w.next = next; return w }

// String is for when it is over, but for requests that were given up and are still on their way out.
func (w *wire) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprintf("%d requests, %d of them lost, %d answers lost", w.requests, w.lost, w.mute)
}

type fate int

const (
	spared fate = iota
	requestLost
	answerLost
	answerCut
)

func (w *wire) draw() (fate, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests++
	latency := time.Duration(w.random.Int64N(int64(maxLatency)))
	switch p := w.random.Float64(); {
	case p < lostRequests || w.requests%outageEvery >= outageEvery-outage:
		w.lost++
		return requestLost, latency
	case p < lostRequests+lostAnswers/2:
		w.mute++
		return answerLost, latency
	case p < lostRequests+lostAnswers:
		w.mute++
		return answerCut, latency
	}
	return spared, latency
}

// RoundTrip keeps its contract also when it fails: the request's body is closed.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	fate, latency := w.draw()
	wait := time.NewTimer(latency)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-r.Context().Done():
	}
	if fate == requestLost {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, errWire
	}
	response, err := w.next.RoundTrip(r)
	if err != nil || fate == spared {
		return response, err
	}
	if fate == answerCut && response.ContentLength > 1 && r.Method == http.MethodGet {
		response.Body = &cut{response.Body, response.ContentLength / 2}
		return response, nil
	}
	_, _ = io.Copy(io.Discard, response.Body)
	response.Body.Close()
	return nil, errWire
}

// cut is a body that breaks off.
type cut struct {
	io.ReadCloser
	left int64
}

func (c *cut) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, errWire
	}
	n, err := c.ReadCloser.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}
