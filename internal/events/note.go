package events

import (
	"encoding/json"
	"fmt"
)

// Note writes events down as they are kept until they are delivered: in a journal entry, in Redis, among the dead. They are of one push or deletion.
func Note(events ...Event) ([]byte, error) {
	if len(events) == 0 {
		return nil, nil
	}
	note, err := json.Marshal(events)
	if err != nil {
		return nil, fmt.Errorf("write events down: %w", err)
	}
	return note, nil
}

// ParseNote is the inverse of Note.
func ParseNote(note []byte) ([]Event, error) {
	if len(note) == 0 {
		return nil, nil
	}
	var events []Event
	if err := json.Unmarshal(note, &events); err != nil {
		return nil, fmt.Errorf("read events that were written down: %w", err)
	}
	return events, nil
}

// wanted are those that the endpoint is to hear of.
func (e *Endpoint) wanted(events []Event) []Event {
	var wanted []Event
	for i := range events {
		if e.Wants(&events[i]) {
			wanted = append(wanted, events[i])
		}
	}
	return wanted
}

// letter is what one endpoint is to hear of one entry. It belongs to one goroutine at a time.
type letter struct {
	id       string // of the entry, a ULID; of best effort, of the event
	at       string // where it stands in the stream
	best     bool   // best effort: it has one attempt, and whoever took it has the only copy
	attempts int    // that failed
	size     int    // of its note

	rest    []Event // not yet delivered
	done    int     // how many there were before them: delivered, or refused
	counted int     // how many of those when an attempt failed last
	refused []Event // for good
	skipped []int   // which those are, of all
	reason  string  // why
	broken  []byte  // a note that cannot be read, which is not to be lost for that
}

// newLetter makes a letter of the note of an entry. One without events is over.
func (e *Endpoint) newLetter(id string, note []byte) *letter {
	m := &letter{id: id, size: len(note)}
	events, err := ParseNote(note)
	if err != nil {
		m.broken, m.reason = note, err.Error()
	}
	m.rest = e.wanted(events)
	return m
}

// stripe is what an ordered endpoint takes in order.
func (m *letter) stripe() string {
	if len(m.rest) == 0 {
		return ""
	}
	return string(m.rest[0].Target.Repository)
}

// giveUp has all that is left count as refused.
func (m *letter) giveUp(reason error) {
	m.refused, m.rest, m.reason = append(m.refused, m.rest...), nil, reason.Error()
}
