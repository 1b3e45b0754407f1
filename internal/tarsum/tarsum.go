// Package tarsum verifies TarSums: digests of what a tar archive holds, by which Docker before 1.6 called layers. The algorithm is Docker's own
// (github.com/docker/docker/pkg/tarsum, see docs/adr/0015). What is added here keeps it within bounds, since what it is given comes from anybody.
//
// A TarSum does not cover how an archive is compressed, the order of its entries, nor the names of users and groups. So it finds content, and proves
// less than a digest of the bytes does: keep what was verified under its sha256, and the TarSum as another name for that.
package tarsum

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/docker/docker/pkg/tarsum"
	"github.com/registryd/registryd/internal/reference"
)

// The errors of this package wrap one of these, unless reading failed, and are plain sentences that may be shown to a client.
var (
	ErrMismatch = errors.New("the content is not of its TarSum")
	ErrArchive  = errors.New("the content cannot have a TarSum")
)

// Bounds on one verification. It takes some 20 MiB of memory, and up to 100 MiB for the greatest archive that is accepted.
const (
	maxRatio   = 100      // how many times longer than its gzip an archive may be,
	freeLength = 64 << 20 // beyond these bytes: a layer of zeros is no attack
	maxListing = 64 << 20 // bytes of memory that the list of entries may take: 300,000 entries with names of usual length
	entryCost  = 160      // what one takes, its name aside

	// Docker's code puts each entry's headers into a buffer of which a Read takes as much as it is asked for. archive/tar reads three headers of up to
	// 1 MiB for one entry, so with this size none of them stays.
	readSize = 4 << 20
	pieces   = 64 << 10 // what is read of the archive at once, so that its content stays out of such buffers
)

// Verify reads a tar archive, plain or compressed with gzip, to its end, and compares it with its TarSum. Content of no length is an archive without
// entries. An error of r is given back as it is, wrapped.
func Verify(r io.Reader, want reference.TarSum) error {
	got, err := Compute(r, want.Algorithm())
	if err == nil && got != want {
		err = fmt.Errorf("%w: it has %s, not %s; send the content that belongs to it", ErrMismatch, got, want)
	}
	return err
}

// Compute is Verify for who does not know the TarSum yet. algorithm is one of reference.TarSumV0, TarSumV1 and TarSumDev.
func Compute(r io.Reader, algorithm string) (reference.TarSum, error) {
	version, err := tarsum.GetVersionFromTarsum(algorithm)
	if err != nil {
		return "", fmt.Errorf("compute a TarSum by %q: %w", algorithm, reference.ErrAlgorithm)
	}
	source := &counter{r: r}
	archive, err := open(source)
	if err == nil {
		var sum tarsum.TarSum
		if sum, err = tarsum.NewTarSum(archive, true, version); err == nil {
			if err = drain(sum); err == nil {
				err = checkRest(archive)
			}
			if err == nil {
				return reference.ParseTarSum(sum.Sum(nil))
			}
		}
	}
	switch {
	case source.err != nil:
		return "", fmt.Errorf("read the content of a TarSum: %w", source.err)
	case errors.Is(err, ErrArchive):
		return "", err
	}
	return "", fmt.Errorf("%w: it is no tar archive (%v); send one, plain or compressed with gzip", ErrArchive, err)
}

// drain reads an archive through Docker's code, which computes while it is read, and has the archive as it would write it for output.
func drain(sum tarsum.TarSum) error {
	buffer := make([]byte, readSize)
	entries, listing := 0, 0
	for {
		_, err := sum.Read(buffer)
		for all := sum.GetSums(); entries < len(all); entries++ {
			listing += entryCost + len(all[entries].Name())
		}
		if listing > maxListing {
			return fmt.Errorf("%w: it has more than %d entries, or names that are too long; split it", ErrArchive, entries-1)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// checkRest reads what stands behind the archive's end, which is not covered: nothing, or zeros that fill up a block.
func checkRest(archive io.Reader) error {
	buffer := make([]byte, pieces)
	for {
		n, err := archive.Read(buffer)
		if len(bytes.Trim(buffer[:n], "\x00")) > 0 {
			return fmt.Errorf("%w: there is something behind the end of the archive; send the archive alone", ErrArchive)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// open gives the archive, unpacked.
func open(source *counter) (io.Reader, error) {
	buffered := bufio.NewReaderSize(source, pieces)
	magic, err := buffered.Peek(2)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return &limited{r: buffered, source: source}, nil
	}
	unpacked, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, err
	}
	return &limited{r: unpacked, source: source}, nil
}
