package events

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestEndpointHangs(t *testing.T) {
	t.Parallel()
	s := sender(t, Options{Timeout: 50 * time.Millisecond, URL: serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the client has gone
		<-r.Context().Done()
	})})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // lest this hangs too
	defer cancel()
	start := time.Now()
	failure := failureOf(t, s.Send(ctx, someEvent()))
	if failure.Verdict != Retry || failure.Status != 0 || !errors.Is(failure, context.DeadlineExceeded) {
		t.Errorf("got %+v", failure)
	}
	if took := time.Since(start); took < 50*time.Millisecond {
		t.Errorf("it took %s, with a timeout of 50ms", took)
	}
}

// TestAnswerHangs: the status is what counts, and the time is limited all the same.
func TestAnswerHangs(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusOK)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		<-r.Context().Done()
	})
	var err error
	for timeout := time.Second; timeout < 20*time.Second; timeout *= 4 { // in which the status has to come
		if err = sender(t, Options{Timeout: timeout, URL: url}).Send(t.Context(), someEvent()); err == nil {
			return
		}
	}
	t.Errorf("got %v of an endpoint that has said 200", err)
}

// TestAnswerIsEndless: no more is read than is good for anything.
func TestAnswerIsEndless(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	done := make(chan struct{})
	s := sender(t, Options{URL: serve(t, func(w http.ResponseWriter, _ *http.Request) {
		defer close(done)
		w.WriteHeader(http.StatusInternalServerError)
		for chunk := make([]byte, 32<<10); ; {
			n, err := w.Write(chunk)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	})})
	failure := failureOf(t, s.Send(t.Context(), someEvent()))
	<-done
	if failure.Status != http.StatusInternalServerError || len(failure.Error()) > 2000 {
		t.Errorf("got %+v", failure)
	}
	if most := int64(64 << 20); sent.Load() > most { // what buffers of the system hold
		t.Errorf("the endpoint got rid of %d bytes", sent.Load())
	}
}

func TestEndpointIsAway(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody listens there now
	s := sender(t, Options{URL: "http://user:hidden@" + l.Addr().String() + "/?token=hidden"})
	failure := failureOf(t, s.Send(t.Context(), someEvent()))
	if failure.Verdict != Retry || failure.Status != 0 || strings.Contains(failure.Error(), "hidden") {
		t.Errorf("got %v", failure)
	}
}

// TestCallerGivesUp: a node that stops says nothing of the endpoint.
func TestCallerGivesUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := sender(t, Options{Threshold: 1, URL: serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	})})
	if err := s.Send(ctx, someEvent()); !errors.Is(err, context.Canceled) || errors.As(err, new(*Error)) {
		t.Errorf("got %v, want that the context has ended", err)
	}
	if s.Paused() != 0 {
		t.Error("the endpoint is paused, though it has not failed")
	}
}

func TestEndpointIsPaused(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	s := sender(t, Options{Threshold: 3, Backoff: time.Hour, URL: serve(t, func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	})})
	for range 3 {
		if failure := failureOf(t, s.Send(t.Context(), someEvent())); failure.Verdict != Retry {
			t.Fatalf("got %v", failure)
		}
	}
	failure := failureOf(t, s.Send(t.Context(), someEvent()))
	if failure.Verdict != Paused || !errors.Is(failure, ErrPaused) || failure.RetryAfter < 59*time.Minute || failure.RetryAfter > time.Hour || hits.Load() != 3 {
		t.Errorf("got %+v after %d attempts", failure, hits.Load())
	}
}

// TestPrivateAddressIsNotDialled: a name that leads to this machine is caught when it is dialled.
func TestPrivateAddressIsNotDialled(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	url := serve(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	for _, allow := range []bool{false, true} {
		e, err := NewEndpoint(Options{Name: "test", URL: strings.Replace(url, "127.0.0.1", "localhost", 1), AllowPrivate: allow})
		if err != nil {
			t.Fatal(err)
		}
		s := NewSender(e)
		defer s.Close()
		err = s.Send(t.Context(), someEvent())
		if allow && (err != nil || hits.Load() != 1) {
			t.Errorf("with allowprivate: %v, %d requests", err, hits.Load())
		}
		if !allow && (!errors.Is(err, ErrAddress) || failureOf(t, err).Verdict != Retry || hits.Load() != 0) {
			t.Errorf("without allowprivate: %v, %d requests", err, hits.Load())
		}
	}
}
