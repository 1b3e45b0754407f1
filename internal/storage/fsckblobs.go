package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"syscall"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
)

// listData notes all data there is.
func (f *fsck) listData(ctx context.Context) error {
	f.begin("listing data", 0)
	return f.each(ctx, f.keys.dataPrefix(), func(info drivers.Info) error {
		f.data[path.Base(info.Key)] = info
		f.step()
		return nil
	})
}

// checkPointers reads every pointer, and with Deep the data that it names.
func (f *fsck) checkPointers(ctx context.Context) error {
	var pointers []drivers.Info
	err := f.each(ctx, f.keys.blobsPrefix(), func(info drivers.Info) error {
		if d, ok := f.keys.parseGeneration0(info.Key); ok {
			f.old[d] = info
			return nil
		}
		pointers = append(pointers, info)
		return nil
	})
	if err != nil {
		return err
	}
	pointers = append(pointers, f.pointerless(ctx, pointers)...)
	f.begin("checking blobs", len(pointers))
	named := make([]string, len(pointers))
	group, work := workers(ctx)
	for i, info := range pointers {
		group.Go(func() (err error) {
			named[i], err = f.checkPointer(work, info)
			f.step()
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, id := range named {
		delete(f.data, id)
		if d, ok := f.keys.parseBlob(pointers[i].Key, path.Base(pointers[i].Key)); ok && id == namesOld {
			delete(f.old, d)
		}
	}
	return nil
}

// checkPointer gives the id of the data that the pointer names, if any.
func (f *fsck) checkPointer(ctx context.Context, info drivers.Info) (named string, err error) {
	d, ours := f.keys.parsePointer(info.Key)
	ok := ours
	if !ok {
		d, ok = f.keys.parseGeneration0(info.Key)
	}
	if !ok {
		f.lose(path.Base(info.Key) == "pointer") // a newer node may know this digest
		f.found(Note, info.Key, "this key is not one of registryd's")
		return "", nil
	}
	cur, err := f.loadPointer(ctx, d)
	if isTransient(err) {
		return "", err
	}
	if err != nil {
		f.lose(true)
		f.found(Damage, info.Key, "the pointer cannot be used: %v", err)
		return "", nil
	}
	if ours && cur.etag == "" {
		return "", fmt.Errorf("%s is listed and cannot be found: %w", info.Key, drivers.ErrUnavailable) // no pointer is ever removed
	}
	if !cur.live() {
		return "", nil
	}
	p := cur.Value
	f.mu.Lock()
	f.blobs[d] = &seenBlob{key: info.Key, size: p.Size, age: f.age(info)}
	f.summary.Blobs++
	f.summary.Bytes += p.Size
	f.mu.Unlock()
	named = p.Data
	if p.Distribution {
		named = namesOld
	}
	if !p.there() {
		return named, f.checkWithdrawn(ctx, info.Key, d, cur)
	}
	wrong, err := f.wrong(ctx, info.Key, d, p)
	if err != nil || wrong == "" {
		return named, err
	}
	return named, f.damaged(ctx, info.Key, d, cur, wrong)
}

// lose notes that some pointer could not be read: it may name any data, so none is removed.
func (f *fsck) lose(lost bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blind = f.blind || lost
}

// wrong compares what a pointer says with the bytes there are, and says how they differ. Bytes that cannot be read are reported here: they may be right.
func (f *fsck) wrong(ctx context.Context, key string, d digest.Digest, p *pointer) (string, error) {
	if p.inline() {
		if got := d.Algorithm().FromBytes(p.Inline); got != d {
			return fmt.Sprintf("the bytes inline have the digest %s", got), nil
		}
		return "", nil
	}
	data := path.Base(f.keys.bytes(d, p))
	size, err := f.dataSize(ctx, d, p)
	switch {
	case errors.Is(err, drivers.ErrNotFound):
		return fmt.Sprintf("its data %s is missing", data), nil
	case err != nil:
		return "", err
	case size != p.Size:
		return fmt.Sprintf("its data %s has %d bytes where %d are due", data, size, p.Size), nil
	case !f.opts.Deep:
		return "", nil
	}
	switch got, err := f.digest(ctx, d, p); {
	case errors.Is(err, drivers.ErrNotFound):
		return fmt.Sprintf("its data %s is missing", data), nil
	case unreadable(err):
		f.found(Damage, key, "its data %s cannot be read: %v", data, err)
	case err != nil:
		return "", err
	case got != d:
		return fmt.Sprintf("its data %s has the digest %s", data, got), nil
	}
	return "", nil
}

// digest reads all bytes of a blob.
func (f *fsck) digest(ctx context.Context, d digest.Digest, p *pointer) (digest.Digest, error) {
	body, _, err := f.driver.Open(ctx, f.keys.bytes(d, p), 0, -1)
	if err != nil {
		return "", err
	}
	defer body.Close()
	digester := d.Algorithm().Digester()
	_, err = io.Copy(digester.Hash(), body)
	return digester.Digest(), err
}

// unreadable tells an object that is lost to us from a store that does not answer: a bad sector is no reason to look at nothing else.
func unreadable(err error) bool {
	return err != nil && (!isTransient(err) || errors.Is(err, syscall.EIO))
}

func (f *fsck) dataSize(ctx context.Context, d digest.Digest, p *pointer) (int64, error) {
	info, ok := f.data[p.Data]
	if p.Distribution {
		info, ok = f.old[d]
	}
	if ok {
		return info.Size, nil
	}
	info, err := f.driver.Stat(ctx, f.keys.bytes(d, p))
	return info.Size, err
}

// leftovers are pointers that no repository links to, and data that no pointer names.
func (f *fsck) leftovers(ctx context.Context) error {
	f.begin("looking for leftovers", 0)
	for d, blob := range f.blobs {
		if !blob.linked {
			f.report(Finding{Severity: Leftover, Key: blob.key, Size: blob.size, Age: blob.age, Message: "no repository has the blob " + d.String()})
		}
	}
	for id, info := range f.data {
		finding := Finding{Severity: Leftover, Key: info.Key, Size: info.Size, Age: f.dataAge(id, info), Message: "no pointer names this data"}
		if f.opts.Prune && !f.blind && finding.Age > pruneAge {
			if err := f.driver.Delete(ctx, info.Key); err != nil {
				return err
			}
			finding.Pruned = true
		}
		f.report(finding)
	}
	return nil
}

// dataAge takes the younger of what the id and the store say.
func (r *Registry) dataAge(id string, info drivers.Info) time.Duration {
	age := r.opts.Now().Sub(info.ModTime)
	if made, err := ulid.ParseStrict(id); err == nil {
		age = min(age, r.opts.Now().Sub(made.Timestamp()))
	}
	return age
}

// isTransient tells a store that does not answer from a record that is wrong.
func isTransient(err error) bool {
	return errors.Is(err, drivers.ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func ignoreDamage(err error) error {
	if isTransient(err) {
		return err
	}
	return nil
}
