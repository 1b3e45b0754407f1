package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	idleConnections = 32       // kept to an endpoint at least; as many as may send to it at once if that is more
	maxHeader       = 64 << 10 // bytes of an answer's header
	maxAnswer       = 64 << 10 // bytes read of an answer's body, so that the connection can be used again
	maxQuote        = 200      // bytes of it that an error quotes
	pingAfter       = 15 * time.Second
	idleTimeout     = 90 * time.Second
)

// Sender delivers to one endpoint. Safe for concurrent use: a process has one for each endpoint, so that they all hear when it is paused.
type Sender struct {
	endpoint *Endpoint
	client   *http.Client
	circuit  *circuit
}

// NewSender makes a sender with connections of its own, so that an endpoint that hangs is in the way of no other.
func NewSender(e *Endpoint) *Sender {
	// Dialling goes on when its request is over, so it has a limit of its own.
	dialer := &net.Dialer{Timeout: e.Timeout, ControlContext: dialControl(e.AllowPrivate)}
	transport := &http.Transport{
		Proxy:                  nil, // see the package comment
		DialContext:            dialer.DialContext,
		TLSClientConfig:        e.tls.Clone(), // the transport adds to it
		TLSHandshakeTimeout:    e.Timeout,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingAfter}, // or a dead connection is used for ever
		MaxIdleConnsPerHost:    max(idleConnections, e.Concurrency),
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true,
	}
	return &Sender{
		endpoint: e,
		client: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		circuit: &circuit{threshold: e.Threshold, pause: e.Backoff},
	}
}

// Endpoint gives the endpoint that s sends to.
func (s *Sender) Endpoint() *Endpoint { return s.endpoint }

// Paused is how long Send will make no attempt; 0 if it would now. Who has much to send waits here rather than asking with each event.
func (s *Sender) Paused() time.Duration { return s.circuit.paused() }

// Close lets go of idle connections.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// Send makes one attempt to deliver events, at most Endpoint.Batch of them, in one request. With nil the endpoint has taken them all. With an *Error it
// has not, as far as is known: it may have taken them and the answer was lost. A batch is refused as a whole, so after Permanent for more than one
// event, send them one by one to find those that are meant. When ctx ends first, the error is that of ctx and no attempt counts. Any other error is a
// mistake of the caller's, and nothing was sent.
func (s *Sender) Send(ctx context.Context, events ...Event) error {
	if len(events) == 0 {
		return nil
	}
	if len(events) > s.endpoint.Batch {
		return fmt.Errorf("send %d events to endpoint %s at once: it takes %d", len(events), s.endpoint.Name, s.endpoint.Batch)
	}
	m, err := s.endpoint.Format.encode(events, s.endpoint.Batch > 1)
	if err != nil {
		return err
	}
	attempt, wait := s.circuit.begin()
	if attempt == nil {
		return &Error{Endpoint: s.endpoint.Name, Verdict: Paused, RetryAfter: wait, Err: ErrPaused}
	}
	failure := s.post(ctx, m)
	switch {
	case failure == nil:
		attempt.succeeded()
		return nil
	case failure.Status == 0 && ctx.Err() != nil:
		attempt.abandoned()
		return fmt.Errorf("send to endpoint %s: %w", s.endpoint.Name, ctx.Err())
	}
	attempt.failed(failure.RetryAfter)
	failure.Endpoint = s.endpoint.Name
	return failure
}

// post makes the request. What it answers has been read as far as is good for anything.
func (s *Sender) post(ctx context.Context, m message) *Error {
	ctx, cancel := context.WithTimeout(ctx, s.endpoint.Timeout)
	defer cancel()
	req, err := s.request(ctx, m)
	if err != nil {
		return &Error{Err: fmt.Errorf("make the request: %w", withoutURL(err))}
	}
	resp, err := s.client.Do(req)
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{Err: fmt.Errorf("it did not answer within %s: it is tried again later: %w", s.endpoint.Timeout, context.DeadlineExceeded)}
	}
	if err != nil {
		return &Error{Err: fmt.Errorf("it cannot be reached, and is tried again later: %w", withoutURL(err))}
	}
	defer resp.Body.Close()
	answer := make([]byte, maxQuote)
	n, _ := io.ReadFull(resp.Body, answer) // the status says it all; whatever is wrong with the body changes nothing
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer-maxQuote)
	return judge(resp, answer[:n])
}

func (s *Sender) request(ctx context.Context, m message) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint.URL, bytes.NewReader(m.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "registryd")
	for name, values := range s.endpoint.Headers {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	req.Header.Set("Content-Type", m.mediaType)
	if len(s.endpoint.Secrets) > 0 {
		req.Header.Set(SignatureHeader, sign(m.body, s.endpoint.Secrets, time.Now()))
	}
	return req, nil
}

// withoutURL takes the URL off an error of net/http: it may hold a token.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
