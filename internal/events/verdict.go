package events

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Verdict says what an attempt that did not deliver has come to.
type Verdict int

// The verdicts.
const (
	Retry     Verdict = iota // the attempt failed: try again after Endpoint.Delay, MaxAttempts times in all
	Permanent                // the endpoint refuses: trying again changes nothing until somebody changes something
	Paused                   // no attempt was made, so none counts: the endpoint is paused for RetryAfter
)

// Error is why events were not delivered. It names no URL and no header, so that it may be logged and kept.
type Error struct {
	Endpoint   string
	Verdict    Verdict
	Status     int           // what the endpoint answered; 0 if it did not
	RetryAfter time.Duration // with Retry what the endpoint asked for, at most an hour, else 0; with Paused how long to wait before calling Send again
	Err        error
}

func (e *Error) Error() string {
	return fmt.Sprintf("send to endpoint %s: %v", e.Endpoint, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// ErrPaused: the endpoint has failed too often in a row, or asked for time.
var ErrPaused = errors.New("it is paused, after failures or because it asked for time: wait, and see that it works")

// judge sorts an answer. nil is delivered; answer is the beginning of the body.
func judge(resp *http.Response, answer []byte) *Error {
	status := resp.StatusCode
	said := ""
	if len(answer) > 0 {
		said = ", saying " + strconv.QuoteToASCII(string(answer))
	}
	err := &Error{Status: status}
	switch {
	case status >= 200 && status < 300:
		return nil
	case status >= 300 && status < 400:
		err.Verdict = Permanent
		err.Err = fmt.Errorf("it answered %d%s: redirects are not followed; set its url to where it leads", status, said)
	case status >= 400 && status < 500 && !temporary(status):
		err.Verdict = Permanent
		err.Err = fmt.Errorf("it refused with %d%s: correct the endpoint or its url and headers, then replay what it refused", status, said)
	default:
		err.RetryAfter = retryAfter(resp.Header, time.Now())
		err.Err = fmt.Errorf("it answered %d%s: it is tried again later", status, said)
	}
	return err
}

// temporary says which of the 4xx are no refusal.
func temporary(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusTooEarly || status == http.StatusTooManyRequests
}

// retryAfter reads the Retry-After header (RFC 9110, section 10.2.3) in both its forms; 0 if there is none that makes sense. A date counts from the
// answer's own Date, so that it does not matter whose clock is wrong.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	then, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	return min(max(then.Sub(now), 0), maxRetryAfter)
}
