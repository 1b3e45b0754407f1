//go:build stores

package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/teststore"
)

// TestBudget hands out so many blocks and no more, lets those who wait have what is given back, and makes no new block while there is a used one.
func TestBudget(t *testing.T) {
	t.Parallel()
	const blocks = 4
	b := newBudget(blocks*blockSize+blockSize/2, memoryTimeout)
	var held [][]byte
	for range blocks {
		held = append(held, b.try())
	}
	if b.try() != nil {
		t.Fatal("there is one too many")
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.wait(canceled); !errors.Is(err, context.Canceled) {
		t.Fatalf("waiting in vain gives %v", err)
	}
	var group sync.WaitGroup
	for range 3 * blocks {
		group.Go(func() {
			block, err := b.wait(t.Context())
			if err != nil || len(block) != 0 || cap(block) != blockSize {
				t.Errorf("a block of %d bytes with room for %d, and %v", len(block), cap(block), err)
			}
			b.give([][]byte{block[:10]})
		})
	}
	b.give(held)
	group.Wait()
	idle(t, b, blocks)
}

// idle fails unless every block was given back, and no more blocks were made than there may be.
func idle(t *testing.T, b *budget, blocks int64) {
	t.Helper()
	if !b.left.TryAcquire(blocks) {
		t.Error("memory is held by nobody")
	}
	if b.left.TryAcquire(1) {
		t.Error("more memory was given back than there is")
	}
	if n := int64(len(b.free)); n > blocks {
		t.Errorf("%d blocks were made, more than %d", n, blocks)
	}
}

// TestMemory runs many uploads on memory for a few. Some clients stand still in the middle until all others are through; nobody waits for them.
// How long the others wait for each other is a matter of the machine.
func TestMemory(t *testing.T) {
	t.Parallel()
	const uploads, standing, blocks = 64, 8, 16
	store := teststore.MinIO(t)
	d, err := Open(t.Context(), Config{
		Bucket: store.Bucket, RegionEndpoint: store.Endpoint, ForcePathStyle: true, AccessKey: teststore.AccessKey, SecretKey: teststore.SecretKey,
		ChunkSize: minPart, Memory: blocks * blockSize,
	}, Options{MemoryTimeout: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	through := make(chan struct{})
	var moving, others sync.WaitGroup
	moving.Add(uploads - standing)
	for i := range uploads {
		others.Go(func() {
			src := &slow{content: make([]byte, 1<<20+i*100_000), step: 1000 + 977*i}
			_, _ = rand.NewChaCha8([32]byte{byte(i)}).Read(src.content)
			if i < standing {
				src.stop, src.stopAt = through, len(src.content)/2
			} else {
				defer moving.Done()
			}
			if err := upload(t.Context(), d, fmt.Sprintf("up/%d", i), src); err != nil {
				t.Errorf("upload %d: %v", i, err)
			}
		})
	}
	moving.Wait()
	close(through)
	others.Wait()
	idle(t, d.memory, blocks)
}

func upload(ctx context.Context, d *Driver, key string, src *slow) error {
	s, err := d.Append(ctx, drivers.Session{}, key, src, func(drivers.Session) error { return nil })
	if err != nil {
		return err
	}
	if _, err := d.Commit(ctx, s); err != nil {
		return err
	}
	body, _, err := d.Open(ctx, s.Key, 0, -1)
	if err != nil {
		return err
	}
	defer body.Close()
	got, err := io.ReadAll(body)
	if err == nil && !bytes.Equal(got, src.content) {
		err = errors.New("the bytes are not those that were sent")
	}
	return err
}

// slow gives its bytes in small steps, and may stand still.
type slow struct {
	content []byte
	step    int
	read    int
	stop    <-chan struct{}
	stopAt  int
}

func (s *slow) Read(p []byte) (int, error) {
	if s.read == len(s.content) {
		return 0, io.EOF
	}
	if s.stop != nil && s.read >= s.stopAt {
		<-s.stop
	}
	n := copy(p, s.content[s.read:min(s.read+s.step, len(s.content))])
	s.read += n
	return n, nil
}

func (s *slow) Mark() ([]byte, error) { return nil, nil }

// TestMemoryGivenBack whatever way an Append ends.
func TestMemoryGivenBack(t *testing.T) {
	t.Parallel()
	const blocks = 16
	store := teststore.MinIO(t)
	d, err := Open(t.Context(), Config{
		Bucket: store.Bucket, RegionEndpoint: store.Endpoint, ForcePathStyle: true, AccessKey: teststore.AccessKey, SecretKey: teststore.SecretKey,
		ChunkSize: minPart, Memory: blocks * blockSize,
	}, Options{MemoryTimeout: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	broken := errors.New("broken")
	for _, size := range []int{0, 1, 3 << 20, 5 << 20, 5<<20 + 1, 17 << 20} {
		for name, end := range map[string]atEnd{
			"the end":   {},
			"an error":  {err: broken},
			"a discard": {err: drivers.ErrDiscard},
			"no mark":   {mark: broken},
			"a cancel":  {cancel: true},
			"not saved": {saved: broken},
		} {
			ctx, cancel := context.WithCancel(t.Context())
			end.left, end.stop = size, cancel
			key := fmt.Sprintf("up/%x-%d", name, size)
			_, _ = d.Append(ctx, drivers.Session{}, key, &end, func(drivers.Session) error { return end.saved })
			cancel()
			if !d.memory.left.TryAcquire(blocks) {
				t.Fatalf("%s after %d bytes: memory is held", name, size)
			}
			d.memory.left.Release(blocks)
		}
	}
	idle(t, d.memory, blocks)
}

// atEnd is a Source that ends in some way.
type atEnd struct {
	left        int
	err         error
	mark, saved error
	cancel      bool
	stop        func()
}

func (a *atEnd) Read(p []byte) (int, error) {
	n := min(len(p), a.left)
	a.left -= n
	if a.left > 0 || n > 0 {
		return n, nil
	}
	if a.cancel {
		a.stop()
		return 0, context.Canceled
	}
	if a.err != nil {
		return 0, a.err
	}
	return 0, io.EOF
}

func (a *atEnd) Mark() ([]byte, error) { return nil, a.mark }
