package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/registryd/registryd/internal/drivers/s3"
	"github.com/registryd/registryd/internal/storage"
)

func (a *app) storageCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "storage",
		Short: "Look at the store itself",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage(cmd, fmt.Errorf("storage needs to know what to do: check or import-distribution"))
		},
	}
	group.AddCommand(&cobra.Command{
		Use:   "check",
		Short: "Try everything that registryd relies on in the store, and print what it can do",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.storageCheck(cmd) },
	}, a.importCommand())
	return group
}

func (a *app) storageCheck(cmd *cobra.Command) (err error) {
	c, err := a.load(cmd)
	if err != nil {
		return err
	}
	store, err := openStore(cmd.Context(), c.Config, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	bucket, ok := store.(*s3.Driver)
	if !ok {
		fmt.Fprintf(a.stdout, "The directory %s can be used: its file system keeps hard links and nanoseconds, and no other process has it.\n", c.Storage.Filesystem.RootDirectory)
		return nil
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), checkTime)
	defer cancel()
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	failed := 0
	for _, finding := range bucket.Check(ctx, storage.CheckFolder) {
		answer := "yes"
		if finding.Err != nil {
			failed++
			answer = "no: " + finding.Err.Error()
		}
		fmt.Fprintf(table, "%s\t%s\n", finding.What, answer)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if failed > 0 {
		return errors.New("registryd cannot keep content in this store; mend what is listed above, then run the check again")
	}
	return nil
}
