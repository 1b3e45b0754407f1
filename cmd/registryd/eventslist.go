package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/registryd/registryd/internal/events"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// listLimit is how many lines are shown to somebody who does not say how many.
const listLimit = 100

func (a *app) eventsListCommand() *cobra.Command {
	var f eventFilter
	l := &lister{app: a}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List what is in the journal: events that some endpoint has yet to take",
		Long: "list shows the entries of the journal, the oldest first. One of a push under way is among them. With --endpoint it shows those that the endpoint is to hear of; " +
			"it may have taken some of them, while others have not.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.parse(cmd, time.Now()); err != nil {
				return err
			}
			return a.withEvents(cmd, true, func(ctx context.Context, d *desk) error { return l.journal(ctx, d, &f) })
		},
	}
	f.flags(cmd)
	l.flags(cmd)
	return cmd
}

func (a *app) eventsDeadCommand() *cobra.Command {
	var f eventFilter
	l := &lister{app: a}
	cmd := &cobra.Command{
		Use:   "dead",
		Short: "List dead letters: events that were given up on, and why",
		Long:  "dead shows the dead letters of each endpoint, the oldest first, with the reason. They stay until they are replayed or dropped.",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.parse(cmd, time.Now()); err != nil {
				return err
			}
			return a.withEvents(cmd, true, func(ctx context.Context, d *desk) error { return l.dead(ctx, d, &f) })
		},
	}
	f.flags(cmd)
	l.flags(cmd)
	return cmd
}

// listed is one line, for people or for programs.
type listed struct {
	Endpoint   string          `json:"endpoint,omitempty"`
	ID         string          `json:"id"` // of the entry
	Time       time.Time       `json:"time"`
	Action     string          `json:"action"`
	Repository reference.Name  `json:"repository"`
	Tags       []reference.Tag `json:"tags,omitempty"`
	Digest     digest.Digest   `json:"digest,omitempty"`
	Endpoints  []string        `json:"endpoints,omitempty"` // of a replay: who is to hear of it
	GivenUp    time.Time       `json:"givenUp,omitzero"`
	Reason     string          `json:"reason,omitempty"` // why it was given up on; or why it cannot be read
	Events     []events.Event  `json:"events,omitempty"`
}

// lister writes lines until there are enough.
type lister struct {
	*app
	json  bool
	limit int

	table *tabwriter.Writer
	lines *json.Encoder
	n     int
	now   time.Time
}

func (l *lister) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&l.json, "json", false, "write one JSON object for each")
	cmd.Flags().IntVar(&l.limit, "limit", listLimit, "show `N` of them at most; 0 is no limit")
}

func (l *lister) begin(header string) {
	l.now, l.lines, l.table = time.Now(), json.NewEncoder(l.stdout), tabwriter.NewWriter(l.stdout, 0, 0, 2, ' ', 0)
	if !l.json {
		fmt.Fprintln(l.table, header)
	}
}

func (l *lister) add(line listed) error {
	if l.limit > 0 && l.n == l.limit {
		fmt.Fprintf(l.stderr, "registryd: there are more than these %d; --limit 0 shows all of them\n", l.n)
		return errEnough
	}
	l.n++
	if l.json {
		return l.lines.Encode(line)
	}
	cells := []string{line.ID, age(l.now, line.Time), line.Action, string(line.Repository), orDash(tagsText(line.Tags)), orDash(line.Digest.String())}
	if line.Endpoint != "" {
		cells = append(append([]string{line.Endpoint}, cells...), line.Reason)
	}
	_, err := fmt.Fprintln(l.table, strings.Join(cells, "\t"))
	return err
}

func tagsText(tags []reference.Tag) string {
	text := make([]string, len(tags))
	for i, tag := range tags {
		text[i] = string(tag)
	}
	return strings.Join(text, ",")
}

func (l *lister) journal(ctx context.Context, d *desk, f *eventFilter) error {
	if f.endpoint != "" && d.endpoint(f.endpoint) == nil {
		return notConfigured(f.endpoint)
	}
	unread := 0
	l.begin("ID\tAGE\tACTION\tREPOSITORY\tTAG\tDIGEST")
	list := func(after string, n int) ([]string, string, error) { return d.registry.Journal(ctx, after, n) }
	err := walkIDs(f, list, func(ids []string) error {
		entries, err := readAll(ctx, ids, d.registry.Entry)
		if err != nil {
			return err
		}
		for _, one := range entries {
			if one.unread != nil {
				unread++
				if f.include == nil { // whose it is, nobody knows
					if err := l.add(listed{ID: one.id, Time: idTime(one.id), Action: "?", Reason: one.unread.Error()}); err != nil {
						return err
					}
				}
				continue
			}
			e := one.value
			if e == nil || !f.inRepository(e.Repository) || f.endpoint != "" && !wants(d.endpoint(f.endpoint), e) {
				continue
			}
			err := l.add(listed{
				ID: e.ID, Time: e.Time(), Action: string(e.Action), Repository: e.Repository, Tags: e.Tags, Digest: e.Digest, Endpoints: e.Endpoints, Events: noted(e.Note),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	err = errors.Join(err, l.table.Flush())
	if unread > 0 {
		fmt.Fprintf(l.stderr, "registryd: %d of these entries cannot be read, and may be of a later version; --json says why\n", unread)
	}
	return err
}

func (l *lister) dead(ctx context.Context, d *desk, f *eventFilter) error {
	endpoints, err := d.deadEndpoints(ctx, f)
	if err != nil {
		return err
	}
	l.begin("ENDPOINT\tID\tAGE\tACTION\tREPOSITORY\tTAG\tDIGEST\tREASON")
	for _, endpoint := range endpoints {
		enough := false
		err := d.walkDead(ctx, f, endpoint, func(letters []deadLetter) error {
			for _, letter := range letters {
				if err := l.add(letter.listed()); err != nil {
					enough = errors.Is(err, errEnough)
					return err
				}
			}
			return nil
		})
		if err != nil || enough {
			return errors.Join(err, l.table.Flush())
		}
	}
	return l.table.Flush()
}

func (l deadLetter) listed() listed {
	line := listed{Endpoint: l.endpoint, ID: l.ID, Time: idTime(l.ID), GivenUp: l.Time, Reason: l.Reason, Events: l.events, Repository: l.repository()}
	line.Action, line.Tags, line.Digest = "?", l.tags(), ""
	if len(l.events) > 0 {
		line.Action, line.Digest = string(l.events[0].Action), l.events[0].Target.Digest
	}
	return line
}

func (l deadLetter) tags() (tags []reference.Tag) {
	for _, e := range l.events {
		if e.Target.Tag != "" && !slices.Contains(tags, e.Target.Tag) {
			tags = append(tags, e.Target.Tag)
		}
	}
	return tags
}

// noted are the events of a note; none if they cannot be read.
func noted(note []byte) []events.Event {
	all, err := events.ParseNote(note)
	if err != nil {
		return nil
	}
	return all
}

// wants says whether an endpoint is to hear of an entry.
func wants(endpoint *events.Endpoint, e *storage.Entry) bool {
	if len(e.Endpoints) > 0 && !slices.Contains(e.Endpoints, endpoint.Name) {
		return false
	}
	return wantsAny(endpoint, noted(e.Note))
}

func wantsAny(endpoint *events.Endpoint, all []events.Event) bool {
	return slices.ContainsFunc(all, func(e events.Event) bool { return endpoint.Wants(&e) })
}

func notConfigured(endpoint string) error {
	return fmt.Errorf("notifications.endpoints has no endpoint %s that is not disabled; name one that it has, or correct the configuration", endpoint)
}
