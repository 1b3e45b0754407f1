package events

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Options are what an endpoint is configured with. What CNCF Distribution has too means the same here. A zero value is a default.
type Options struct {
	Name     string // 1 to 64 letters, digits, '.', '_' and '-', not beginning with punctuation: it is part of keys
	URL      string // http or https; a user and password in it go out as basic authentication
	Disabled bool
	Headers  http.Header   // added to each request; what a request needs itself (Content-Type, the signature) cannot be replaced
	Timeout  time.Duration // of an attempt, from dialling to the end of the answer; DefaultTimeout

	Threshold   int           // failures in a row, of any events, before the endpoint is paused; DefaultThreshold
	Backoff     time.Duration // how long it is then paused, and what the delays of an event grow from; DefaultBackoff; at most a day
	MaxBackoff  time.Duration // the longest delay between two attempts for an event; DefaultMaxBackoff; at most a day
	MaxAttempts int           // for an event, until it is given up on; DefaultMaxAttempts

	Concurrency int  // requests to it that a node has under way at most; DefaultConcurrency
	Ordered     bool // one node at a time sends, and of each repository one event after the other

	IgnoredMediaTypes []string // of targets
	IgnoredActions    []Action
	Include           []string // patterns of repositories (pattern.go); none for all of them

	Format  Format   // DistributionV2 by default
	Batch   int      // most events in a request; 1 by default, MaxBatch at most
	Secrets [][]byte // each signs each request (SignatureHeader): none, one, or two while one is replaced

	TLS          TLS
	AllowPrivate bool // also loopback and private addresses; link-local ones and those of cloud metadata never
}

// The defaults. Those that CNCF Distribution has too are its own, but the timeout: a second is too short for a consumer that does its work before it
// answers, and would only bring it the same event again. Attempts go on for about eight hours.
const (
	DefaultTimeout     = 5 * time.Second
	DefaultThreshold   = 10
	DefaultBackoff     = time.Second
	DefaultMaxBackoff  = 10 * time.Minute
	DefaultMaxAttempts = 100
	DefaultConcurrency = 16
	MaxConcurrency     = 256
	MaxBatch           = 1000

	maxPause = 24 * time.Hour
)

// Endpoint is who wants to hear of events, and how. It is not changed once it is made; safe for concurrent use.
type Endpoint struct {
	Options // checked, with the defaults filled in

	include []pattern
	tls     *tls.Config
}

// String gives the name: secrets and headers must not get into a log with it.
func (o Options) String() string { return o.Name }

// GoString is String, for %#v.
func (o Options) GoString() string { return o.Name }

// NewEndpoint checks the options and reads the files that they name. Its errors say what to correct, without the URL, which may hold a password.
func NewEndpoint(opts Options) (*Endpoint, error) {
	e := &Endpoint{Options: opts}
	e.defaults()
	if !validName(e.Name) {
		return nil, fmt.Errorf("the endpoint name %q cannot be part of a key: use 1 to 64 letters, digits, '.', '_' and '-', with a letter or digit first",
			e.Name)
	}
	for _, step := range []func() error{e.checkURL, e.checkNumbers, e.checkWire, e.checkFilter, e.loadTLS} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("endpoint %s: %w", e.Name, err)
		}
	}
	return e, nil
}

func (e *Endpoint) defaults() {
	orDefault(&e.Timeout, DefaultTimeout)
	orDefault(&e.Threshold, DefaultThreshold)
	orDefault(&e.Backoff, DefaultBackoff)
	orDefault(&e.MaxBackoff, DefaultMaxBackoff)
	orDefault(&e.MaxAttempts, DefaultMaxAttempts)
	orDefault(&e.Concurrency, DefaultConcurrency)
	orDefault(&e.Format, DistributionV2)
	orDefault(&e.Batch, 1)
}

func orDefault[T comparable](value *T, def T) {
	var zero T
	if *value == zero {
		*value = def
	}
}

const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

func validName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, alphanumeric+"._-") == "" && strings.ContainsRune(alphanumeric, rune(s[0]))
}

func (e *Endpoint) checkURL() error {
	u, err := url.Parse(e.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return errors.New("its url is not one: write it as https://host/path")
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		return checkAddress(addr, e.AllowPrivate)
	}
	return nil
}

func (e *Endpoint) checkNumbers() error {
	switch {
	case e.Timeout < 0 || e.Threshold < 0 || e.MaxAttempts < 0:
		return errors.New("timeout, threshold and maxattempts cannot be negative: correct them, or leave them out")
	case e.Backoff < 0 || e.Backoff > maxPause || e.MaxBackoff < 0 || e.MaxBackoff > maxPause:
		return fmt.Errorf("backoff and maxbackoff are to be at most %s: correct them, or leave them out", maxPause)
	case e.Concurrency < 0 || e.Concurrency > MaxConcurrency:
		return fmt.Errorf("concurrency is %d: make it 1 to %d", e.Concurrency, MaxConcurrency)
	case e.Batch < 0 || e.Batch > MaxBatch:
		return fmt.Errorf("batch is %d: make it 1 to %d", e.Batch, MaxBatch)
	}
	return nil
}

func (e *Endpoint) checkWire() error {
	if !slices.Contains([]Format{DistributionV1, DistributionV2, CloudEvents}, e.Format) {
		return fmt.Errorf("there is no format %q: use %s, %s or %s", e.Format, DistributionV1, DistributionV2, CloudEvents)
	}
	if len(e.Secrets) > 2 || slices.ContainsFunc(e.Secrets, func(s []byte) bool { return len(s) == 0 }) {
		return errors.New("it takes one secret, or two while one is replaced, and none of them empty")
	}
	return nil
}

func (e *Endpoint) checkFilter() error {
	for _, action := range e.IgnoredActions {
		if !slices.Contains([]Action{Push, Pull, Mount, Delete}, action) {
			return fmt.Errorf("there is no action %q to ignore: use push, pull, mount or delete", action)
		}
	}
	for _, s := range e.Include {
		p, err := parsePattern(s)
		if err != nil {
			return err
		}
		e.include = append(e.include, p)
	}
	return nil
}
