//go:build !unix || race

package s3

// newBlock takes memory from the heap: where there is no mmap, and where the race detector is to see who uses it.
func newBlock() []byte { return make([]byte, 0, blockSize) }
