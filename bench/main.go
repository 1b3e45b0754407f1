// Command bench measures how long a push through registryd onto MinIO takes, beside a bare PutObject of the same bytes to the same MinIO and, if
// the variable DISTRIBUTION names its binary or there is a `registry` in the PATH, beside CNCF Distribution. The contestants take turns within each
// round, so that whatever else the machine does meets them all; what is printed are medians and their ratios to the bare PutObject.
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
	sizes := flag.String("sizes", "64,512", "sizes to push, in MiB")
	rounds := flag.Int("rounds", 7, "rounds to measure, after one that is not")
	only := flag.String("only", "", "measure this contestant alone, such as registryd")
	profile := flag.String("profile", "", "write a CPU profile of registryd's `SECONDS`... to this file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *sizes, *rounds, *only, *profile); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, sizes string, rounds int, only, profile string) error {
	all, err := contestants(ctx, only)
	if err != nil {
		return err
	}
	defer all.stop()
	for s := range strings.SplitSeq(sizes, ",") {
		mib, err := strconv.Atoi(s)
		if err != nil {
			return fmt.Errorf("-sizes: %w", err)
		}
		fmt.Printf("%s, %d rounds\n", humanize.IBytes(uint64(mib)<<20), rounds)
		if err := measure(ctx, all.list, mib<<20, rounds); err != nil {
			return err
		}
	}
	return nil
}
