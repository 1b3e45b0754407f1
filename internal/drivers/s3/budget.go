package s3

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// blockSize is the unit in which uploads take memory, in bytes.
const blockSize = 1 << 20

// budget is the memory of all uploads of a process, in blocks that are used again and again. Whoever waits for one holds none, so that those who
// hold some come to their end.
type budget struct {
	blocks int64 // there may be
	left   *semaphore.Weighted

	patience time.Duration // of an upload that finds none, before its client is told to come back

	mu              sync.Mutex
	free            [][]byte
	taken           int64 // and not given back
	waited, refused uint64
}

func newBudget(bytes int64, patience time.Duration) *budget {
	blocks := max(bytes/blockSize, 1)
	return &budget{blocks: blocks, left: semaphore.NewWeighted(blocks), patience: patience}
}

// MemoryStats are the figures of the memory of all uploads of a driver.
type MemoryStats struct {
	Bytes, Limit    int64  // that uploads hold now, and that they may hold
	Waited, Refused uint64 // times that an upload found none and waited for some; those that it waited for in vain, and ended with ErrUnavailable
}

// MemoryStats may be called at any time.
func (d *Driver) MemoryStats() MemoryStats { return d.memory.stats() }

func (b *budget) stats() MemoryStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return MemoryStats{Bytes: b.taken * blockSize, Limit: b.blocks * blockSize, Waited: b.waited, Refused: b.refused}
}

// try gives an empty block, or nil when there is none.
func (b *budget) try() []byte {
	if !b.left.TryAcquire(1) {
		return nil
	}
	return b.take()
}

// wait gives an empty block once there is one. The deadline of ctx is how long an upload may wait before it is refused.
func (b *budget) wait(ctx context.Context) ([]byte, error) {
	if block := b.try(); block != nil {
		return block, nil
	}
	b.count(&b.waited)
	if err := b.left.Acquire(ctx, 1); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			b.count(&b.refused)
		}
		return nil, err
	}
	return b.take(), nil
}

func (b *budget) count(n *uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	*n++
}

func (b *budget) take() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken++
	if n := len(b.free); n > 0 {
		block := b.free[n-1]
		b.free = b.free[:n-1]
		return block
	}
	return newBlock()
}

// give takes blocks back.
func (b *budget) give(blocks [][]byte) {
	if len(blocks) == 0 {
		return
	}
	b.mu.Lock()
	for _, block := range blocks {
		b.free = append(b.free, block[:0])
	}
	b.taken -= int64(len(blocks))
	b.mu.Unlock()
	b.left.Release(int64(len(blocks)))
}
