//go:build unix && !race

package s3

import "syscall"

// newBlock takes memory that the garbage collector does not know of. It lets the heap grow to twice what is in use, and blocks are the most of that: on
// the heap they would cost the process nearly twice their budget. They are never given back, so that nothing can point to a block that is gone.
func newBlock() []byte {
	block, err := syscall.Mmap(-1, 0, blockSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return make([]byte, 0, blockSize)
	}
	return block[:0]
}
