// Command bench measures how long a push through registryd onto MinIO takes, beside a bare PutObject of the same bytes to the same MinIO, and beside CNCF
// Distribution (the one of the tests, or that which the variable DISTRIBUTION names). The contestants take turns within each round, so that whatever
// else the machine does meets them all. It prints medians, and ratios to the bare PutObject: the median of the rounds' own ratios.
//
// A push is what docker does: POST, one PATCH in chunked transfer coding, PUT. The bare PutObject is the SDK as it comes: a body in memory, its
// SHA-256 signed and a CRC-32 sent along, as the SDK does over plain HTTP. The same without either stands beside it, for what the wire and MinIO take.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

func main() {
	sizes := flag.String("sizes", "64,512", "what to push, in MiB")
	rounds := flag.Int("rounds", 7, "rounds to measure, after one that warms up")
	limit := flag.Float64("limit", 0, "fail if registryd takes more than this many times as long as the bare PutObject; 0 for no limit")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *sizes, *rounds, *limit)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, sizes string, rounds int, limit float64) (err error) {
	dir, err := os.MkdirTemp("", "registryd-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	field, stop, err := enter(ctx, dir)
	defer stop()
	if err != nil {
		return err
	}
	for size := range strings.SplitSeq(sizes, ",") {
		mib, err := strconv.Atoi(size)
		if err != nil {
			return fmt.Errorf("-sizes: %w", err)
		}
		fmt.Printf("%s, %d rounds\n", humanize.IBytes(uint64(mib)<<20), rounds)
		ratio, err := compare(ctx, field, mib<<20, rounds)
		if err != nil {
			return err
		}
		if limit > 0 && ratio > limit {
			return fmt.Errorf("registryd took %.2f times as long as a bare PutObject, more than %.2f", ratio, limit)
		}
	}
	return nil
}
