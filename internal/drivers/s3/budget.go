package s3

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// blockSize is the unit in which uploads take memory, in bytes.
const blockSize = 1 << 20

// budget is the memory of all uploads of a process, in blocks that are used again and again. Whoever waits for one holds none, so that those who
// hold some come to their end.
type budget struct {
	left *semaphore.Weighted
	mu   sync.Mutex
	free [][]byte
}

func newBudget(bytes int64) *budget {
	return &budget{left: semaphore.NewWeighted(max(bytes/blockSize, 1))}
}

// try gives an empty block, or nil when there is none.
func (b *budget) try() []byte {
	if !b.left.TryAcquire(1) {
		return nil
	}
	return b.take()
}

// wait gives an empty block once there is one.
func (b *budget) wait(ctx context.Context) ([]byte, error) {
	if err := b.left.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	return b.take(), nil
}

func (b *budget) take() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
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
	b.mu.Unlock()
	b.left.Release(int64(len(blocks)))
}
