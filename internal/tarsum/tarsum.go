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

// usual are the bounds on one verification. With them it takes 10 to 30 MiB of memory, and up to 110 MiB for the archive with the most entries
// that is accepted: who calls should not run many at once.
var usual = bounds{ratio: 100, free: 64 << 20, listing: 64 << 20}

type bounds struct {
	ratio   int64 // how many times longer than what is read an archive may be, unpacked,
	free    int64 // beyond these bytes: a layer of zeros is no attack
	listing int   // bytes of memory that the list of entries may take; usual is for 300,000 entries with names of usual length
}

const (
	entryCost = 160 // bytes of memory that an entry takes in the list, its name aside

	// Docker's code puts each entry's headers into a buffer of which a Read takes as much as it is asked for. archive/tar reads three headers of up to
	// 1 MiB for one entry, so with this size none of them stays.
	readSize = 4 << 20
	pieces   = 64 << 10 // what is read of the archive at once, so that its content stays out of such buffers
)

var versions = map[string]tarsum.Version{
	reference.TarSumV0: tarsum.Version0, reference.TarSumV1: tarsum.Version1, reference.TarSumDev: tarsum.VersionDev,
}

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
	return usual.compute(r, algorithm)
}

func (b bounds) compute(r io.Reader, algorithm string) (reference.TarSum, error) {
	version, ok := versions[algorithm]
	if !ok {
		return "", fmt.Errorf("compute a TarSum by %q: %w", algorithm, reference.ErrAlgorithm)
	}
	source := &counter{r: r}
	got, err := b.read(source, version)
	if err == nil {
		return reference.ParseTarSum(got)
	}
	switch {
	case source.err != nil:
		return "", fmt.Errorf("read the content of a TarSum: %w", source.err)
	case errors.Is(err, ErrArchive):
		return "", err
	}
	return "", fmt.Errorf("%w: it is no tar archive (%v); send one, plain or compressed with gzip", ErrArchive, err)
}

func (b bounds) read(source *counter, version tarsum.Version) (string, error) {
	archive, err := b.open(source)
	if err != nil {
		return "", err
	}
	sum, err := tarsum.NewTarSum(archive, true, version)
	if err != nil {
		return "", err
	}
	if err := b.drain(sum, source); err != nil {
		return "", err
	}
	if err := checkRest(archive); err != nil {
		return "", err
	}
	return sum.Sum(nil), nil
}

// drain reads an archive through Docker's code, which computes while it is read, and has the archive as it would write it for output.
// That output is as long as what the archive holds, sparse files in full: archive/tar gives a file that is all hole as zeros, of which a kilobyte can
// stand for exbibytes.
func (b bounds) drain(sum tarsum.TarSum, source *counter) error {
	buffer := make([]byte, readSize)
	entries, listing, held := 0, 0, int64(0)
	for {
		n, err := sum.Read(buffer)
		if held += int64(n); held > b.most(source) {
			return b.tooLong()
		}
		for all := sum.GetSums(); entries < len(all); entries++ {
			listing += entryCost + len(all[entries].Name())
		}
		if listing > b.listing {
			return fmt.Errorf("%w: it has too many entries, or names that are too long; split it", ErrArchive)
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
func (b bounds) open(source *counter) (io.Reader, error) {
	buffered := bufio.NewReaderSize(source, pieces)
	magic, err := buffered.Peek(2)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return &limited{bounds: b, r: buffered, source: source}, nil
	}
	unpacked, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, err
	}
	return &limited{bounds: b, r: unpacked, source: source}, nil
}
