package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/storage"
)

// How a node brings over what CNCF Distribution wrote, beside serving it.
const (
	importLease   = time.Minute
	importSay     = 10 * time.Second // between two lines of the log
	importAgain   = 30 * time.Second // after a failure, or when another node is at it
	importFailure = "what CNCF Distribution wrote could not be brought over yet, it will be tried again; it is served meanwhile"
)

// startImport brings over what CNCF Distribution wrote, until that is done or ctx ends. The function it gives waits for it.
func startImport(ctx context.Context, registry leasing, readOnly bool, log *zap.Logger) (wait func()) {
	if !registry.Importing() {
		return func() {}
	}
	if readOnly {
		log.Info("the store was written by CNCF Distribution; it is served, and will be brought over when the maintenance is over")
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for registry.Importing() && ctx.Err() == nil {
			err := importOnce(ctx, registry, log)
			if err == nil || ctx.Err() != nil {
				continue
			}
			if !errors.Is(err, storage.ErrLeaseHeld) {
				log.Warn(importFailure, zap.Error(err))
			}
			pause := time.NewTimer(importAgain)
			select {
			case <-pause.C:
			case <-ctx.Done():
				pause.Stop()
			}
			_ = registry.Prepare(ctx) // another node may be through
		}
	}()
	return func() { cancel(); <-done }
}

func importOnce(ctx context.Context, registry leasing, log *zap.Logger) error {
	start := time.Now()
	var done storage.Imported
	err := registry.WithLease(ctx, "import", importLease, func(ctx context.Context) (err error) {
		log.Info("the store was written by CNCF Distribution; everything in it is served, and is brought over meanwhile")
		var said atomic.Int64
		done, err = registry.Import(ctx, storage.ImportOptions{Progress: func(stage string, n, _ int) {
			if now := int64(time.Since(start) / importSay); now > said.Swap(now) {
				log.Info(stage, zap.Int("done", n))
			}
		}})
		return err
	})
	if err == nil {
		log.Info("all that CNCF Distribution wrote has been brought over", zap.Int("repositories", done.Repositories), zap.Int("manifests", done.Manifests),
			zap.Int("tags", done.Tags), zap.Int("blobs", done.Blobs), zap.Int64("bytes", done.Bytes), zap.Duration("took", time.Since(start)))
		tellLate(ctx, registry, log)
	}
	return err
}

// tellLate warns of what CNCF Distribution wrote while it was brought over, or when that had been interrupted. It is asked once, when all is over: the answer
// takes a listing of the whole store.
func tellLate(ctx context.Context, registry leasing, log *zap.Logger) {
	late, err := registry.Late(ctx, nil)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		log.Warn("nobody knows whether CNCF Distribution wrote to the store meanwhile; registryd storage import-distribution --dry-run finds it out", zap.Error(err))
	case late.Any():
		log.Error("not everything that CNCF Distribution wrote is served", zap.Error(lateError(late)))
	}
}

func (a *app) importCommand() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "import-distribution",
		Short: "Bring over what CNCF Distribution wrote in the store, as a running node does by itself",
		Long: "import-distribution brings over the names of repositories, the tags and where the blobs are. No byte of a blob is moved. It may be stopped at any time, and goes " +
			"on where it stopped. With the data in a bucket it may run beside nodes that serve. When all has been brought over, it looks for what CNCF Distribution wrote " +
			"since, which is not served. If there is anything, it prints what that is and ends with an error.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.importDistribution(cmd, dryRun) },
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "write nothing, only say how much there is to bring over")
	return cmd
}

func (a *app) importDistribution(cmd *cobra.Command, dryRun bool) error {
	return a.withRegistry(cmd, dryRun, func(registry *storage.Registry) error {
		bar := newProgress(a.stderr)
		opts := storage.ImportOptions{DryRun: dryRun, Progress: bar.set}
		var done storage.Imported
		run := func(ctx context.Context) (err error) { done, err = registry.Import(ctx, opts); return err }
		var err error
		if dryRun {
			err = run(cmd.Context())
		} else {
			err = registry.WithLease(cmd.Context(), "import", importLease, run)
		}
		var late storage.Late
		if err == nil {
			late, err = registry.Late(cmd.Context(), bar.set)
		}
		bar.end()
		switch {
		case errors.Is(err, storage.ErrLeaseHeld):
			return errors.New("a node is bringing it over at the moment; its log says how far it is")
		case err != nil:
			return fmt.Errorf("not everything was brought over, run it again to go on: %w", err)
		case late.Any():
			for _, name := range slices.Concat(late.Tags, late.Manifests) {
				fmt.Fprintln(a.stdout, name)
			}
			return lateError(late)
		}
		did := "Brought over"
		if dryRun {
			did = "There are left to bring over"
		}
		fmt.Fprintf(a.stdout, "%s %d repositories, %d manifests, %d tags, and %d blobs with %s, which stay where they are.\n",
			did, done.Repositories, done.Manifests, done.Tags, done.Blobs, humanize.IBytes(uint64(done.Bytes)))
		return nil
	})
}

// lateNamed is how many tags, or else manifests, an error names.
const lateNamed = 5

// lateError says what CNCF Distribution wrote too late, and what to do.
func lateError(late storage.Late) error {
	names := late.Tags
	if len(names) == 0 {
		names = late.Manifests
	}
	first := strings.Join(names[:min(len(names), lateNamed)], ", ")
	switch {
	case len(names) > lateNamed:
		first = ": " + first + " and others"
	case len(names) > 0:
		first = ": " + first
	}
	return fmt.Errorf("CNCF Distribution wrote to this store after it had been brought over, which is done once; %d tags, %d manifests and %d blobs are not served as they "+
		"stand there%s; copy them with a client from a CNCF Distribution over this store, docs/migration.md says how under \"Coming again\"",
		len(late.Tags), len(late.Manifests), late.Blobs, first)
}
