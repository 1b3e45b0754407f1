package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/registryd/registryd/internal/events"
	"github.com/registryd/registryd/internal/storage"
)

// replayAtOnce is how many dead letters are brought back side by side. Of an ordered endpoint it is one after the other.
const replayAtOnce = 16

func (a *app) eventsReplayCommand() *cobra.Command {
	var f eventFilter
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Deliver dead letters after all, each to the endpoint that did not take it",
		Long: "replay puts dead letters back into the journal, in their order, from where they are delivered like all other events: each to the one endpoint that did not take it, " +
			"with as many attempts as at first, and with the ids that the events have always had. A node that runs begins with them after some seconds. replay may be stopped " +
			"at any time and run again: nothing is lost by that, though some events may be delivered twice. With the data in a bucket it may run beside nodes that serve; with " +
			"a directory, stop the node first.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.parse(cmd, time.Now()); err != nil {
				return err
			}
			return a.withEvents(cmd, dryRun, func(ctx context.Context, d *desk) error {
				return (&replayer{app: a, desk: d, filter: &f, dryRun: dryRun}).run(ctx)
			})
		},
	}
	f.flags(cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say how many there are")
	return cmd
}

// replayer brings dead letters back.
type replayer struct {
	*app
	*desk
	filter *eventFilter
	dryRun bool

	bar            *progress
	replay         *storage.Replay
	begun          time.Time
	ahead          map[string]bool
	all            int // as far as time and endpoint say
	done, unwanted int
	unread         int
}

func (r *replayer) run(ctx context.Context) error {
	if f := r.filter; f.endpoint != "" && r.endpoint(f.endpoint) == nil {
		return notConfigured(f.endpoint)
	}
	names, err := r.deadEndpoints(ctx, r.filter)
	if err != nil {
		return err
	}
	var strangers []string
	names = slices.DeleteFunc(names, func(name string) bool {
		stranger := r.endpoint(name) == nil
		if stranger {
			strangers = append(strangers, name)
		}
		return stranger
	})
	if err := r.count(ctx, names); err != nil {
		return err
	}
	r.bound()
	r.bar, r.replay = newProgress(r.stderr), r.registry.NewReplay()
	for _, name := range names {
		if err = r.bringBack(ctx, r.endpoint(name)); err != nil {
			break
		}
	}
	r.bar.end()
	if err != nil {
		return fmt.Errorf("not everything was replayed (%d are), run it again to go on: %w", r.done, err)
	}
	r.tell(strangers)
	return nil
}

// count is for the bar: it counts by time and endpoint alone. And it notes what is there that was named by a clock that is ahead of the one here.
func (r *replayer) count(ctx context.Context, names []string) error {
	r.begun, r.ahead = time.Now(), make(map[string]bool)
	for _, name := range names {
		list := func(after string, n int) ([]string, string, error) { return r.registry.Dead(ctx, name, after, n) }
		err := walkIDs(r.filter, list, func(ids []string) error {
			r.all += len(ids)
			for _, id := range ids {
				if !idTime(id).Before(r.begun) {
					r.ahead[id] = true
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// bound has whatever is given up on from now on, maybe once more, be left alone.
func (r *replayer) bound() {
	if r.filter.until.IsZero() || r.filter.until.After(r.begun) {
		r.filter.until, r.filter.ahead = r.begun, r.ahead
	}
}

func (r *replayer) bringBack(ctx context.Context, endpoint *events.Endpoint) error {
	atOnce := replayAtOnce
	if endpoint.Ordered {
		atOnce = 1
	}
	return r.walkDead(ctx, r.filter, endpoint.Name, func(letters []deadLetter) error {
		wanted := slices.DeleteFunc(letters, func(l deadLetter) bool {
			switch {
			case len(l.events) == 0:
				r.unread++
			case !wantsAny(endpoint, l.events):
				r.unwanted++
			default:
				return false
			}
			return true
		})
		for some := range slices.Chunk(wanted, atOnce) {
			if err := r.enter(ctx, endpoint.Name, some); err != nil {
				return err
			}
			r.done += len(some)
			r.bar.set("Replaying", r.done+r.unwanted+r.unread, r.all)
		}
		return nil
	})
}

// enter writes entries, and only then drops what they stand for.
func (r *replayer) enter(ctx context.Context, endpoint string, letters []deadLetter) error {
	if r.dryRun {
		return nil
	}
	entries, ids := make([]storage.Entry, len(letters)), make([]string, len(letters))
	for i, l := range letters {
		entries[i] = storage.Entry{Repository: l.repository(), Digest: l.events[0].Target.Digest, Tags: l.tags(), Endpoints: []string{endpoint}, Note: l.Note}
		ids[i] = l.ID
	}
	if err := r.replay.Enter(ctx, entries...); err != nil {
		return err
	}
	return r.registry.DropDead(ctx, endpoint, ids...)
}

func (r *replayer) tell(strangers []string) {
	did := "Put back %d dead letters, which are delivered soon.\n"
	if r.dryRun {
		did = "Would put back %d dead letters.\n"
	}
	fmt.Fprintf(r.stdout, did, r.done)
	if r.unwanted > 0 {
		fmt.Fprintf(r.stdout, "Left %d that their endpoint does not want any more, as it is configured now; drop them, or correct that.\n", r.unwanted)
	}
	if r.unread > 0 {
		fmt.Fprintf(r.stdout, "Left %d that cannot be read; they may be of a later version, or drop them.\n", r.unread)
	}
	for _, name := range strangers {
		fmt.Fprintf(r.stdout, "Left those of %s, which is not among notifications.endpoints, or disabled; drop them, or correct that.\n", name)
	}
}

func (a *app) eventsDropCommand() *cobra.Command {
	var f eventFilter
	var yes, dryRun bool
	cmd := &cobra.Command{
		Use:   "drop",
		Short: "Forget dead letters for good",
		Long: "drop forgets dead letters, which nobody can bring back. It wants --yes; on a terminal, and if a flag says which to drop, it asks instead. With the data in a bucket " +
			"it may run beside nodes that serve; with a directory, stop the node first.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.parse(cmd, time.Now()); err != nil {
				return err
			}
			ask := asks(cmd.InOrStdin()) && f.chooses()
			if !yes && !dryRun && !ask {
				return usage(cmd, fmt.Errorf("drop forgets dead letters for good; add --yes to say that you mean it"))
			}
			return a.withEvents(cmd, dryRun, func(ctx context.Context, d *desk) error {
				return a.dropDead(ctx, d, &f, dryRun, func(n int) bool { return yes || a.confirm(cmd.InOrStdin(), n) })
			})
		},
	}
	f.flags(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say how many there are")
	return cmd
}

// asks says whether somebody is there to be asked.
func asks(in io.Reader) bool {
	f, ok := in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (a *app) confirm(in io.Reader, n int) bool {
	fmt.Fprintf(a.stderr, "Forget %d dead letters for good, which nobody can bring back? Type yes to do it: ", n)
	answer, _ := bufio.NewReader(in).ReadString('\n')
	return strings.TrimSpace(answer) == "yes"
}

func (a *app) dropDead(ctx context.Context, d *desk, f *eventFilter, dryRun bool, sure func(n int) bool) error {
	names, err := d.deadEndpoints(ctx, f)
	if err != nil {
		return err
	}
	ids, n := make(map[string][]string), 0
	for _, name := range names {
		if ids[name], err = d.deadIDs(ctx, f, name); err != nil {
			return err
		}
		n += len(ids[name])
	}
	switch {
	case dryRun:
		fmt.Fprintf(a.stdout, "Would drop %d dead letters.\n", n)
		return nil
	case n > 0 && !sure(n):
		fmt.Fprintln(a.stdout, "Dropped nothing.")
		return nil
	}
	bar, done := newProgress(a.stderr), 0
	defer bar.end()
	for _, name := range names {
		for some := range slices.Chunk(ids[name], idPage) {
			if err := d.registry.DropDead(ctx, name, some...); err != nil {
				return fmt.Errorf("not everything was dropped (%d are), run it again to go on: %w", done, err)
			}
			done += len(some)
			bar.set("Dropping", done, n)
		}
	}
	bar.end()
	fmt.Fprintf(a.stdout, "Dropped %d dead letters.\n", n)
	return nil
}

// deadIDs are the ids of what f chooses of an endpoint. Letters are read only if it asks for repositories: what cannot be read can be dropped.
func (d *desk) deadIDs(ctx context.Context, f *eventFilter, endpoint string) (ids []string, err error) {
	if f.include == nil {
		list := func(after string, n int) ([]string, string, error) { return d.registry.Dead(ctx, endpoint, after, n) }
		err = walkIDs(f, list, func(some []string) error { ids = append(ids, some...); return nil })
		return ids, err
	}
	err = d.walkDead(ctx, f, endpoint, func(letters []deadLetter) error {
		for _, l := range letters {
			ids = append(ids, l.ID)
		}
		return nil
	})
	return ids, err
}
