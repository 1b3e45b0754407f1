package cluster

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"
)

// State says whether something answers.
type State string

// The states.
const (
	Up            State = "up"
	Away          State = "away"
	NotConfigured State = "not configured"
)

// Health is how the store or Redis was found.
type Health struct {
	State   State         `json:"state"`
	Latency time.Duration `json:"latency,omitempty"` // of the answer, in nanoseconds
	Error   string        `json:"error,omitempty"`   // why it is away
}

// askTime is how long the store and Redis have to answer before they count as away.
const askTime = 2 * time.Second

// Ask finds out how something is. A nil ping is of something that is not configured.
func Ask(ctx context.Context, ping func(context.Context) error) Health {
	if ping == nil {
		return Health{State: NotConfigured}
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	start := time.Now()
	if err := ping(ctx); err != nil {
		return Health{State: Away, Error: line(err)}
	}
	return Health{State: Up, Latency: time.Since(start)}
}

// longest bounds what is said of an error, in bytes: some proxies answer with a page.
const longest = 300

// line is an error in one line.
func line(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "it does not answer in time"
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	if len(text) <= longest {
		return text
	}
	cut := longest
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "..."
}
