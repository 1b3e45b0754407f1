package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/registryd/registryd/internal/events"
	"github.com/registryd/registryd/internal/storage"
)

func (a *app) eventsCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "events",
		Short: "Look at events that wait for their endpoints, and at those that were given up on",
		Long: "An event is kept in the journal until each endpoint that wants it has taken it. An endpoint that refuses one, or does not take it in maxattempts attempts, has it " +
			"as a dead letter, which stays until it is replayed or dropped. These commands ask the store and Redis of the configuration, and no node: none needs to run.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage(cmd, fmt.Errorf("events needs to know what to do: status, list, dead, replay or drop"))
		},
	}
	group.AddCommand(a.eventsStatusCommand(), a.eventsListCommand(), a.eventsDeadCommand(), a.eventsReplayCommand(), a.eventsDropCommand())
	return group
}

// desk is what the commands on events work with.
type desk struct {
	registry  *storage.Registry
	events    *events.Events
	endpoints []*events.Endpoint // also those that are disabled
}

// withEvents opens what the configuration names. With readOnly, which may be beside a server, nothing is written.
func (a *app) withEvents(cmd *cobra.Command, readOnly bool, do func(context.Context, *desk) error) (err error) {
	c, err := a.load(cmd)
	if err != nil {
		return err
	}
	if err := holdsRegistry(c.Config); err != nil {
		return err
	}
	endpoints, err := openEndpoints(c.Notifications)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	store, err := openStore(ctx, c.Config, readOnly)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	conn, err := openRedis(c.Redis, nil, nil)
	if err != nil {
		return err
	}
	if conn != nil {
		defer func() { err = errors.Join(err, conn.Close()) }()
	}
	opts := storageOptions(c.Config)
	opts.ReadOnly = opts.ReadOnly || readOnly
	registry := storage.New(store, opts)
	if err := prepareToLook(ctx, store, registry); err != nil {
		return fmt.Errorf("the store is away: %w; see that it runs, and that the configuration names it", err)
	}
	return do(ctx, &desk{registry, newEvents(registry, conn, redisNamespace(registry, c.Config), "", endpoints, nil, nil), endpoints})
}

// endpoint finds one by its name; nil where the configuration has none, or has it disabled.
func (d *desk) endpoint(name string) *events.Endpoint {
	for _, e := range d.endpoints {
		if e.Name == name && !e.Disabled {
			return e
		}
	}
	return nil
}
