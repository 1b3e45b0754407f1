package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/registryd/registryd/internal/storage"
)

func (a *app) uploadsCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "uploads",
		Short: "Look at blob uploads that are under way, and end those that were left alone",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage(cmd, fmt.Errorf("uploads needs to know what to do: list or purge"))
		},
	}
	var asJSON, dryRun bool
	list := &cobra.Command{
		Use:   "list",
		Short: "List the uploads that have stored something to go on from",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.listUploads(cmd, asJSON) },
	}
	list.Flags().BoolVar(&asJSON, "json", false, "write one JSON object for each upload")
	purge := &cobra.Command{
		Use:   "purge",
		Short: "Remove what uploads older than uploads.ttl left behind, as the janitor of a running node does every hour",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.purgeUploads(cmd, dryRun) },
	}
	purge.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be removed")
	group.AddCommand(list, purge)
	return group
}

// withRegistry opens the store for a command that is not the server.
func (a *app) withRegistry(cmd *cobra.Command, readOnly bool, do func(*storage.Registry) error) (err error) {
	c, err := a.load(cmd)
	if err != nil {
		return err
	}
	store, err := reachStore(cmd.Context(), c.Config, readOnly)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return do(storage.New(store, storageOptions(c.Config)))
}

func (a *app) listUploads(cmd *cobra.Command, asJSON bool) error {
	return a.withRegistry(cmd, true, func(registry *storage.Registry) error {
		table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
		lines := json.NewEncoder(a.stdout)
		if !asJSON {
			fmt.Fprintln(table, "REPOSITORY\tUPLOAD\tSTARTED\tLAST SAVED\tRECEIVED\tLEFT ALONE")
		}
		err := registry.Uploads(cmd.Context(), func(up storage.PendingUpload) error {
			if up.Closed {
				return nil
			}
			if asJSON {
				return lines.Encode(up)
			}
			_, err := fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%v\n", up.Repository, up.ID,
				up.Started.Format(time.RFC3339), up.Saved.Format(time.RFC3339), humanize.IBytes(uint64(up.Offset)), up.Abandoned)
			return err
		})
		return errors.Join(err, table.Flush())
	})
}

func (a *app) purgeUploads(cmd *cobra.Command, dryRun bool) error {
	return a.withRegistry(cmd, dryRun, func(registry *storage.Registry) error {
		bar := newProgress(a.stderr)
		cleaned, err := registry.NewJanitor().Run(cmd.Context(), storage.JanitorOptions{DryRun: dryRun, Progress: bar.set})
		bar.end()
		if err != nil {
			return fmt.Errorf("the purge could not be finished, run it again: %w", err)
		}
		did := "Removed"
		if dryRun {
			did = "Would remove"
		}
		fmt.Fprintf(a.stdout, "%s %d uploads, %d objects that nothing names with %s, and %d multipart uploads that only the store knew of.\n",
			did, cleaned.Uploads, cleaned.Data, humanize.IBytes(uint64(cleaned.Bytes)), cleaned.Parts)
		return nil
	})
}
