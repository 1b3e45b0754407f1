package storage

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"sync"

	"github.com/oklog/ulid/v2"

	"github.com/registryd/registryd/internal/drivers"
)

// Of each blob a janitor holds its data, while it runs, and which data its pointer names, for good: nothing but numbers, so that a million blobs take
// 100 MiB at most (TestJanitorMemory).

// datum is an object below data/.
type datum struct {
	id   ulid.ULID
	size int64
}

// compare orders as the store lists: by the folder, which is the last byte, then by id.
func (a datum) compare(b datum) int {
	return cmp.Or(cmp.Compare(a.id[len(a.id)-1], b.id[len(b.id)-1]), bytes.Compare(a.id[:], b.id[:]))
}

// oldData are objects that may be removed, in the order of the listing.
type oldData []datum

// keep takes one out that is named.
func (o oldData) keep(id ulid.ULID) {
	if i, ok := slices.BinarySearchFunc(o, datum{id: id}, datum.compare); ok {
		o[i].size = -1
	}
}

// namedData says which data each version of a pointer names. What it says of one is true for ever.
type namedData struct {
	secret [16]byte // goes before what is hashed, so that nobody can push two blobs that are one here
	run    uint8    // the number of the last run, which wraps
	of     map[[16]byte]namedID
}

type namedID struct {
	id  ulid.ULID // zero where no data is named that the janitor would remove
	run uint8     // in which the version was last seen
}

func newNamedData() namedData {
	n := namedData{of: map[[16]byte]namedID{}}
	_, _ = rand.Read(n.secret[:]) // it never fails
	return n
}

// version is what stands for a pointer as it was listed.
func (n *namedData) version(key, etag string) [16]byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s%s\n%s", n.secret[:], key, etag))
	return [16]byte(sum[:16])
}

// forget drops what was not seen in the last run. After a run that did not come to its end it must not be called: to know more does no harm.
func (n *namedData) forget() {
	for version, named := range n.of {
		if named.run != n.run {
			delete(n.of, version)
		}
	}
}

// dataID is the id of data that registryd writes, as it writes it. Objects of any other name are none of the janitor's business.
func (k keys) dataID(key string) (ulid.ULID, bool) {
	name := path.Base(key)
	id, err := ulid.ParseStrict(name)
	return id, err == nil && id.String() == name && k.data(name) == key
}

// data removes the objects that no pointer names and no upload can come back for. They are listed before the pointers: one that is named meanwhile is
// younger than that.
func (j *Janitor) data(ctx context.Context, opts JanitorOptions, done *Cleaned) error {
	r := j.registry
	var old oldData
	err := r.each(ctx, r.keys.dataPrefix(), func(info drivers.Info) error {
		if id, ok := r.keys.dataID(info.Key); ok && r.dataAge(id.String(), info) > pruneAge {
			old = append(old, datum{id, info.Size})
		}
		return nil
	})
	if err != nil || len(old) == 0 {
		return err
	}
	slices.SortFunc(old, datum.compare) // as a rule it is in order
	if err := j.learn(ctx, opts); err != nil {
		return err
	}
	for _, named := range j.named.of {
		old.keep(named.id)
	}
	keys := make([]string, 0, settleBatch)
	flush := func() error {
		err := r.driver.Delete(ctx, keys...)
		keys = keys[:0]
		return err
	}
	for _, o := range old {
		if o.size < 0 {
			continue
		}
		done.Data++
		done.Bytes += o.size
		if keys = append(keys, r.keys.data(o.id.String())); opts.DryRun {
			keys = keys[:0]
		}
		if len(keys) == cap(keys) {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return flush()
}

// smallPointer is longer than any pointer that names data, in bytes; longer ones hold their bytes themselves.
const smallPointer = 1 << 10

// learn reads the pointers that are new or were changed since the last run.
func (j *Janitor) learn(ctx context.Context, opts JanitorOptions) error {
	r, now := j.registry, &j.named
	now.run++
	var mu sync.Mutex // guards now.of
	seen := 0
	group, work := workers(ctx)
	err := r.each(ctx, r.keys.blobsPrefix(), func(info drivers.Info) error {
		seen++
		if opts.Progress != nil {
			opts.Progress("looking at blobs", seen, 0)
		}
		d, ok := r.keys.parsePointer(info.Key)
		if !ok && path.Base(info.Key) == "pointer" {
			return fmt.Errorf("%s is the pointer of a digest that this node does not know, which may name any data: run the janitor of a newer release", info.Key)
		}
		if !ok || info.Size == 0 || info.Size > smallPointer {
			return nil
		}
		version := now.version(info.Key, info.ETag)
		mu.Lock()
		known, ok := now.of[version]
		if ok {
			now.of[version] = namedID{known.id, now.run}
		}
		mu.Unlock()
		if ok {
			return nil
		}
		group.Go(func() error {
			cur, err := r.loadPointer(work, d)
			if err != nil {
				return err // a pointer that cannot be read may name anything: nothing is removed
			}
			if cur.etag == "" {
				return fmt.Errorf("%s is listed and cannot be found: %w", info.Key, drivers.ErrUnavailable) // no pointer is ever removed
			}
			if cur.live() {
				id, _ := r.keys.dataID(r.keys.data(cur.Value.Data))
				mu.Lock()
				now.of[now.version(info.Key, cur.etag)] = namedID{id, now.run}
				mu.Unlock()
			}
			return nil
		})
		return nil
	})
	if waitErr := group.Wait(); err == nil {
		err = waitErr
	}
	if err == nil {
		now.forget()
	}
	return err
}
