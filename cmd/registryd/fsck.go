package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/registryd/registryd/internal/config"
	"github.com/registryd/registryd/internal/storage"
)

// errDamage is why fsck ends with exit status 1.
var errDamage = errors.New("the store is damaged; restore what is listed as damage from a backup, or run fsck --repair and push it again")

type fsckFlags struct {
	deep, prune, repair, json bool
}

func (a *app) fsckCommand() *cobra.Command {
	var flags fsckFlags
	cmd := &cobra.Command{
		Use:   "fsck",
		Short: "Check the whole store, and remove what is left over in it",
		Long: "fsck looks at every record and every object: whether each tag has its manifest, each manifest its blobs, each blob its bytes. It may run beside a " +
			"server, but for --prune and --repair with the data in a directory, which need that server stopped. It exits with 1 if there is damage, with 0 if there is none.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.fsck(cmd, flags) },
	}
	cmd.Flags().BoolVar(&flags.deep, "deep", false, "read all bytes and compare them with their digests")
	cmd.Flags().BoolVar(&flags.prune, "prune", false, "remove data that no blob names and uploads that were left alone, when they are older than a day")
	cmd.Flags().BoolVar(&flags.repair, "repair", false, "withdraw blobs whose bytes are missing or wrong, so that clients find them missing and push them again")
	cmd.Flags().BoolVar(&flags.json, "json", false, "write one JSON object for each finding, and one for the summary")
	return cmd
}

func (a *app) fsck(cmd *cobra.Command, flags fsckFlags) (err error) {
	c, err := a.load(cmd)
	if err != nil {
		return err
	}
	if err := holdsRegistry(c.Config); err != nil {
		return err
	}
	store, err := reachStore(cmd.Context(), c.Config, !flags.prune && !flags.repair)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()

	bar := newProgress(a.stderr)
	report := fsckReport{app: a, json: json.NewEncoder(a.stdout)}
	opts := storage.FsckOptions{Deep: flags.deep, Prune: flags.prune, Repair: flags.repair, Progress: bar.set, Finding: report.text}
	if flags.json {
		opts.Finding = report.object
	}
	opts.Finding = bar.beside(opts.Finding)
	summary, err := storage.New(store, storageOptions(c.Config)).Fsck(cmd.Context(), opts)
	bar.end()
	if err != nil {
		return fmt.Errorf("the check could not be finished: %w", err)
	}
	report.summary(summary, flags.json)
	if summary.Damage > 0 {
		return errDamage
	}
	return nil
}

// holdsRegistry keeps a check of the wrong directory from finding nothing wrong.
func holdsRegistry(c config.Config) error {
	if inBucket(c) {
		return nil
	}
	root := c.Storage.Filesystem.RootDirectory
	for _, sign := range []string{".registryd", storage.DefaultRoot} {
		if _, err := os.Stat(filepath.Join(root, sign)); !errors.Is(err, os.ErrNotExist) {
			return nil // it is there, or opening the store will say what is the matter
		}
	}
	return fmt.Errorf("%s holds no registry; name its directory with --data (storage.filesystem.rootdirectory)", root)
}

// fsckReport writes findings, for people or for programs.
type fsckReport struct {
	*app
	json *json.Encoder
}

func (r fsckReport) text(f storage.Finding) {
	fmt.Fprintf(r.stdout, "%s: %s: %s", f.Severity, f.Key, f.Message)
	if f.Size > 0 {
		fmt.Fprintf(r.stdout, ", %s", humanize.IBytes(uint64(f.Size)))
	}
	if f.Age > 0 {
		fmt.Fprintf(r.stdout, ", %s old", f.Age.Round(time.Second))
	}
	if f.Pruned {
		fmt.Fprint(r.stdout, " (removed)")
	}
	if f.Repaired && f.Severity == storage.Damage {
		fmt.Fprint(r.stdout, " (withdrawn, push it again)")
	}
	fmt.Fprintln(r.stdout)
}

func (r fsckReport) object(f storage.Finding) { _ = r.json.Encode(f) }

func (r fsckReport) summary(s storage.FsckSummary, asJSON bool) {
	if asJSON {
		_ = r.json.Encode(map[string]storage.FsckSummary{"summary": s})
		return
	}
	fmt.Fprintf(r.stdout, "%d repositories, %d manifests, %d tags, %d blobs with %s, %d uploads under way\n",
		s.Repositories, s.Manifests, s.Tags, s.Blobs, humanize.IBytes(uint64(s.Bytes)), s.Uploads)
	fmt.Fprintf(r.stdout, "%d damaged, %d left over, of which %d with %s were removed\n", s.Damage, s.Leftovers, s.Pruned, humanize.IBytes(uint64(s.PrunedBytes)))
	if s.Repaired > 0 {
		fmt.Fprintf(r.stdout, "%d withdrawn or served again; nodes that were running all the while believe what they knew for an hour, restart them\n", s.Repaired)
	}
}
