package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/registryd/registryd/internal/cluster"
	"github.com/registryd/registryd/internal/config"
	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/storage"
)

// prepareTime is how long a command that only looks waits for the store at the start.
const prepareTime = 5 * time.Second

func (a *app) clusterCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "cluster",
		Short: "Look at the nodes that share a store",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage(cmd, fmt.Errorf("cluster needs to know what to do: status"))
		},
	}
	var asJSON bool
	status := &cobra.Command{
		Use:   "status",
		Short: "Show the nodes seen lately, and how the store and Redis are",
		Long: "status asks the store and Redis of the configuration, and no node: none needs to run. It shows the nodes that announced themselves there, which is for " +
			"people only: nothing depends on it. Each node serves the same as JSON on its second listener (http.debug.addr), at /cluster. It exits with 1 if the store " +
			"does not answer.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.clusterStatus(cmd, asJSON) },
	}
	status.Flags().BoolVar(&asJSON, "json", false, "write one JSON object")
	group.AddCommand(status)
	return group
}

func (a *app) clusterStatus(cmd *cobra.Command, asJSON bool) (err error) {
	c, err := a.load(cmd)
	if err != nil {
		return err
	}
	status, err := lookAtCluster(cmd.Context(), c.Config)
	if err != nil {
		return err
	}
	if asJSON {
		err = json.NewEncoder(a.stdout).Encode(status)
	} else {
		err = writeStatus(a.stdout, dataPlace(c.Config), status)
	}
	if err == nil && status.Store.State != cluster.Up {
		err = fmt.Errorf("the store is away: %s; see that it runs, and that the configuration names it", status.Store.Error)
	}
	return err
}

// lookAtCluster opens what the configuration names, and writes nothing to it.
func lookAtCluster(ctx context.Context, c config.Config) (_ cluster.Status, err error) {
	if err := holdsRegistry(c); err != nil {
		return cluster.Status{}, err
	}
	store, err := openStore(ctx, c, true)
	if err != nil {
		return cluster.Status{}, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	endpoints, err := openEndpoints(c.Notifications)
	if err != nil {
		return cluster.Status{}, err
	}
	conn, err := openRedis(c.Redis, nil, nil)
	if err != nil {
		return cluster.Status{}, err
	}
	if conn != nil {
		defer func() { err = errors.Join(err, conn.Close()) }()
	}
	opts := storageOptions(c)
	opts.ReadOnly = true
	registry := storage.New(store, opts)
	unprepared := prepareToLook(ctx, store, registry)
	namespace := redisNamespace(registry, c)
	view := clusterView(registry, store.Ping, conn, namespace)
	view.Sources = queueSources(newEvents(registry, conn, namespace, "", endpoints, nil, nil))
	if unprepared != nil {
		view.Board, view.Sources, view.Store = nil, nil, func(context.Context) error { return unprepared }
	}
	status := view.Status(ctx)
	if unprepared != nil {
		status.Errors = append(status.Errors, "The nodes cannot be listed without the store; each node that runs lists them at /cluster on its second listener.")
	}
	return status, nil
}

// prepareToLook reads what has to be known of the store: without it, nobody knows where in Redis its nodes announce themselves.
func prepareToLook(ctx context.Context, store drivers.Driver, registry *storage.Registry) error {
	if asked := cluster.Ask(ctx, store.Ping); asked.State != cluster.Up {
		return errors.New(asked.Error)
	}
	ctx, cancel := context.WithTimeout(ctx, prepareTime)
	defer cancel()
	return registry.Prepare(ctx)
}

// writeStatus is the status for people.
func writeStatus(w io.Writer, place string, s cluster.Status) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "Store\t%s\t%s\n", health(s.Store), place)
	fmt.Fprintf(table, "Redis\t%s\n", health(s.Redis))
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if len(s.Nodes) > 0 {
		fmt.Fprintln(table, "INSTANCE\tVERSION\tADDRESS\tDEBUG\tSTARTED\tSEEN\tUPLOADS\tSTORE\tREDIS")
	} else if len(s.Errors) == 0 {
		fmt.Fprintln(w, "No node was seen lately.")
	}
	for _, n := range s.Nodes {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", n.Instance, orDash(n.Version), orDash(n.Address), orDash(n.Debug),
			age(s.At, n.Started), age(s.At, n.Seen), n.Uploads, orDash(string(n.Store.State)), orDash(string(n.Redis.State)))
	}
	if len(s.Queues) > 0 {
		fmt.Fprintln(table, "\nQUEUE\tDEPTH\tOLDEST")
	}
	for _, q := range s.Queues {
		fmt.Fprintf(table, "%s\t%d\t%s\n", q.Name, q.Depth, age(s.At, q.Oldest))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, problem := range s.Errors {
		fmt.Fprintln(w, problem)
	}
	return nil
}

// health is in few words how something is.
func health(h cluster.Health) string {
	switch h.State {
	case cluster.Up:
		return "up, " + h.Latency.Round(100*time.Microsecond).String()
	case cluster.Away:
		return "away: " + h.Error
	}
	return string(h.State)
}

// age says how long ago something was, in its largest unit.
func age(now, then time.Time) string {
	if then.IsZero() {
		return "-"
	}
	d := max(now.Sub(then), 0) // clocks differ
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
