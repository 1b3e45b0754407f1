package events

import "container/list"

// recent are the notes of entries that became known last, so that the store need not be asked for them. When there are too many, the oldest go: those may wait
// for an endpoint that is down, for hours. For one goroutine at a time.
type recent struct {
	notes map[string]*list.Element
	order *list.List // of noted, the oldest first
	bytes int        // of all notes
}

type noted struct {
	id   string
	note []byte
}

const recentBytes = 8 << 20

func newRecent() *recent { return &recent{notes: map[string]*list.Element{}, order: list.New()} }

func (r *recent) keep(id string, note []byte) {
	if r.notes[id] != nil || len(note) > recentBytes {
		return
	}
	for r.bytes+len(note) > recentBytes {
		r.drop(r.order.Front().Value.(noted).id)
	}
	r.notes[id] = r.order.PushBack(noted{id, note})
	r.bytes += len(note)
}

// note is nil where it is not at hand.
func (r *recent) note(id string) []byte {
	if e := r.notes[id]; e != nil {
		return e.Value.(noted).note
	}
	return nil
}

func (r *recent) drop(id string) {
	if e := r.notes[id]; e != nil {
		r.bytes -= len(r.order.Remove(e).(noted).note)
		delete(r.notes, id)
	}
}
