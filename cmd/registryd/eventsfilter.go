package main

import (
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/spf13/cobra"

	"github.com/registryd/registryd/internal/events"
	"github.com/registryd/registryd/internal/reference"
)

// eventFilter chooses events. Their time is that of their id: when the push or deletion began, or of a replay, when that was.
type eventFilter struct {
	endpoint   string
	repository string // as it was written
	include    *events.Endpoint
	since      time.Time // zero for no limit
	until      time.Time // likewise

	// ahead are the only ones from until on that are chosen all the same, if it is not nil: the clock that named them was ahead.
	ahead map[string]bool

	sinceText, untilText string
}

func (f *eventFilter) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.endpoint, "endpoint", "", "only those of the endpoint `NAME`")
	flags.StringVar(&f.repository, "repository", "", "only those of repositories that match `PATTERN`, such as library/* or team/**")
	flags.StringVar(&f.sinceText, "since", "", "only those from `TIME` on, such as 2h (ago), 2026-01-31 or 2026-01-31T12:00:00Z")
	flags.StringVar(&f.untilText, "until", "", "only those before `TIME`, written likewise")
}

// nowhere is sent nothing.
const nowhere = "https://nowhere.invalid"

// parse is called when the flags are known.
func (f *eventFilter) parse(cmd *cobra.Command, now time.Time) (err error) {
	if f.since, err = parseTime(f.sinceText, now); err != nil {
		return usage(cmd, fmt.Errorf("--since %w", err))
	}
	if f.until, err = parseTime(f.untilText, now); err != nil {
		return usage(cmd, fmt.Errorf("--until %w", err))
	}
	// What endpoints are checked for, and what chooses repositories for them, does so here.
	if f.endpoint != "" {
		if _, err := events.NewEndpoint(events.Options{Name: f.endpoint, URL: nowhere}); err != nil {
			return usage(cmd, fmt.Errorf("--endpoint is %q, which is no name of one; write one of notifications.endpoints, or one that `registryd events status` shows", f.endpoint))
		}
	}
	if f.repository == "" {
		return nil
	}
	f.include, err = events.NewEndpoint(events.Options{Name: "filter", URL: nowhere, Include: []string{f.repository}})
	if err != nil {
		return usage(cmd, fmt.Errorf("--repository is %q, which is no name and no pattern; write one such as library/* or team/**", f.repository))
	}
	return nil
}

// chooses says whether anything was asked for at all.
func (f *eventFilter) chooses() bool {
	return f.endpoint != "" || f.repository != "" || f.sinceText != "" || f.untilText != ""
}

func parseTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("is %q, which is no time; write one such as 2h (ago), 2026-01-31 or 2026-01-31T12:00:00Z", text)
}

// after is where a list of ids is to begin: before all of the time since.
func (f *eventFilter) after() string {
	if f.since.IsZero() || f.since.UnixMilli() <= 0 {
		return ""
	}
	var id ulid.ULID
	if err := id.SetTime(ulid.Timestamp(f.since)); err != nil {
		return ""
	}
	return id.String()
}

// past says that an id is too young; and so are all behind it, but those that are ahead.
func (f *eventFilter) past(id string) bool {
	return !f.until.IsZero() && !idTime(id).Before(f.until) && !f.ahead[id]
}

func (f *eventFilter) inRepository(name reference.Name) bool {
	return f.include == nil || f.include.Wants(&events.Event{Target: events.Target{Repository: name}})
}

// idTime is the time that the id of an entry begins with; zero if it is none.
func idTime(id string) time.Time {
	parsed, err := ulid.ParseStrict(id)
	if err != nil {
		return time.Time{}
	}
	return ulid.Time(parsed.Time())
}
