package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// How much of the store a status looks at.
const (
	countEntries = 1000    // of the journal, read where Redis cannot say what waits
	countDead    = 100_000 // of each endpoint, listed
)

func (a *app) eventsStatusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what waits for each endpoint, and what was given up on",
		Long: "status shows how many pushes and deletions an endpoint has yet to take, how old the oldest is, and how many dead letters there are. Redis says what waits; without it, " +
			"what an endpoint is to hear of in the journal is counted, of which it may have taken some (\"up to\"). How many events were delivered and tried again is " +
			"told by the metrics of the nodes (registryd_events_...).",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withEvents(cmd, true, func(ctx context.Context, d *desk) error {
				status, err := d.status(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(a.stdout).Encode(status)
				}
				return status.write(a.stdout)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON object")
	return cmd
}

type eventsStatus struct {
	At        time.Time        `json:"at"`
	Journal   journalStatus    `json:"journal"`
	Endpoints []endpointStatus `json:"endpoints"` // as configured, then those that have dead letters alone
}

type journalStatus struct {
	Entries int       `json:"entries"`
	More    bool      `json:"more,omitempty"` // not all were counted
	Oldest  time.Time `json:"oldest,omitzero"`
	Unread  int       `json:"unread,omitempty"` // of those that were read: nothing can be made of them
}

type endpointStatus struct {
	Name       string    `json:"name"`
	State      string    `json:"state"`                // active, disabled, or unknown to the configuration
	Waiting    *int64    `json:"waiting,omitempty"`    // absent if nobody knows
	UpTo       bool      `json:"upTo,omitempty"`       // that is the most there may be
	Oldest     time.Time `json:"oldest,omitzero"`      // of those
	BestEffort int64     `json:"bestEffort,omitempty"` // events that are in Redis alone
	Dead       int       `json:"dead"`
	MoreDead   bool      `json:"moreDead,omitempty"` // not all were counted
}

func (d *desk) status(ctx context.Context) (*eventsStatus, error) {
	known, err := d.events.Status(ctx)
	if err != nil {
		return nil, err
	}
	s := &eventsStatus{At: time.Now().UTC(), Journal: journalStatus{Entries: known.Journal, More: known.More, Oldest: known.Oldest}, Endpoints: []endpointStatus{}}
	for _, e := range d.endpoints {
		one := endpointStatus{Name: e.Name, State: "active"}
		if e.Disabled {
			one.State = "disabled"
		}
		for _, k := range known.Endpoints {
			if known.Known && k.Name == e.Name {
				one.Waiting, one.Oldest, one.BestEffort = &k.Waiting, k.Oldest, k.Best
			}
		}
		s.Endpoints = append(s.Endpoints, one)
	}
	if !known.Known && known.Journal <= countEntries {
		if err := d.countWaiting(ctx, s); err != nil {
			return nil, err
		}
	}
	return s, d.countDead(ctx, s)
}

// countWaiting counts in the journal what endpoints are to hear of. What cannot be read may be for any of them.
func (d *desk) countWaiting(ctx context.Context, s *eventsStatus) error {
	ids, _, err := d.registry.Journal(ctx, "", countEntries)
	if err != nil {
		return err
	}
	entries, err := readAll(ctx, ids, d.registry.Entry)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.unread != nil {
			s.Journal.Unread++
		}
	}
	for i := range s.Endpoints {
		one, endpoint := &s.Endpoints[i], d.endpoint(s.Endpoints[i].Name)
		if endpoint == nil {
			continue
		}
		var n int64
		for _, e := range entries {
			if e.unread != nil || e.value != nil && wants(endpoint, e.value) {
				if n++; n == 1 {
					one.Oldest = idTime(e.id)
				}
			}
		}
		one.Waiting, one.UpTo = &n, n > 0
	}
	return nil
}

func (d *desk) countDead(ctx context.Context, s *eventsStatus) error {
	names, err := d.registry.DeadEndpoints(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		i := slices.IndexFunc(s.Endpoints, func(e endpointStatus) bool { return e.Name == name })
		if i < 0 {
			i, s.Endpoints = len(s.Endpoints), append(s.Endpoints, endpointStatus{Name: name, State: "unknown"})
		}
		one := &s.Endpoints[i]
		list := func(after string, n int) ([]string, string, error) { return d.registry.Dead(ctx, name, after, n) }
		err := walkIDs(&eventFilter{}, list, func(ids []string) error {
			if one.Dead += len(ids); one.Dead >= countDead {
				one.MoreDead = true
				return errEnough
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// write is the status for people.
func (s *eventsStatus) write(w io.Writer) error {
	switch j := s.Journal; {
	case j.Entries == 0:
		fmt.Fprintln(w, "Journal  empty")
	default:
		fmt.Fprintf(w, "Journal  %s entries, the oldest %s old\n", atLeast(j.Entries, j.More), age(s.At, j.Oldest))
		if j.Unread > 0 {
			fmt.Fprintf(w, "         %d of them cannot be read, and may be of a later version\n", j.Unread)
		}
	}
	if len(s.Endpoints) == 0 {
		_, err := fmt.Fprintln(w, "\nThere are no endpoints; notifications.endpoints names them.")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nENDPOINT\tSTATE\tWAITING\tOLDEST\tBEST EFFORT\tDEAD")
	for _, e := range s.Endpoints {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\n", e.Name, e.State, e.waiting(), age(s.At, e.Oldest), e.BestEffort, atLeast(e.Dead, e.MoreDead))
	}
	return table.Flush()
}

func (e endpointStatus) waiting() string {
	switch {
	case e.Waiting == nil:
		return "-"
	case e.UpTo:
		return fmt.Sprintf("up to %d", *e.Waiting)
	}
	return strconv.FormatInt(*e.Waiting, 10)
}

func atLeast(n int, more bool) string {
	if more {
		return fmt.Sprintf("over %d", n)
	}
	return strconv.Itoa(n)
}
