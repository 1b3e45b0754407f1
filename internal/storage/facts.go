package storage

import "context"

// Facts is what all nodes on a store remember in common, for a moment, of records that change. Storage asks through it where a tag points and whether
// a link is there, so that a hot tag costs the store one read a second, whatever the load. It knows nothing of what a value means. Safe for
// concurrent use.
//
// What storage relies on, whether the memory in common can be reached or not: once Changed has returned, no Fetch that begins later gives anything that
// was read before Changed was called. And among Fetches of a key with versions, none that begins after another has given a version gives an older one.
type Facts interface {
	// Fetch gives the fact at key: the one remembered, or what read finds, which it may remember. An error of read comes back as it is, and nothing
	// is remembered.
	Fetch(ctx context.Context, key string, read func(context.Context) (Fact, error)) (value []byte, err error)

	// Changed is called after the record at each key was changed, or may have been, and before anybody is told so. An error is that of ctx.
	Changed(ctx context.Context, keys ...string) error
}

// Fact is what a record says.
type Fact struct {
	Value []byte // nil where there is no record; that is never remembered

	// Version is unlike those of all other states that the record ever had. It may be empty where it does not matter that two readers see a change in
	// one order, or where nothing older can be remembered.
	Version string
}

// unremembered is the Facts of a process that shares its memory with nobody.
type unremembered struct{}

func (unremembered) Fetch(ctx context.Context, _ string, read func(context.Context) (Fact, error)) ([]byte, error) {
	fact, err := read(ctx)
	return fact.Value, err
}

func (unremembered) Changed(context.Context, ...string) error { return nil }
