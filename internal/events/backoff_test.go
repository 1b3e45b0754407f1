package events

import (
	"net/http"
	"testing"
	"time"
)

func TestDelay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		backoff, most     time.Duration
		attempts          int
		retryAfter        time.Duration
		shortest, longest time.Duration
	}{
		{time.Second, time.Minute, 1, 0, time.Second / 2, 2 * time.Second},
		{time.Second, time.Minute, 2, 0, time.Second / 2, 4 * time.Second},
		{time.Second, time.Minute, 5, 0, time.Second / 2, 32 * time.Second},
		{time.Second, time.Minute, 6, 0, time.Second / 2, time.Minute},
		{time.Second, time.Minute, 1 << 20, 0, time.Second / 2, time.Minute},
		{24 * time.Hour, 24 * time.Hour, 100, 0, 12 * time.Hour, 24 * time.Hour},
		{time.Hour, time.Minute, 1, 0, time.Minute, time.Minute},
		{time.Nanosecond, time.Minute, 1, 0, 0, 2},
		{time.Second, time.Minute, 1, 10 * time.Second, 10 * time.Second, 10 * time.Second},
		{time.Second, time.Minute, 1, 24 * time.Hour, time.Hour, time.Hour},
		{time.Minute, time.Hour, 6, time.Second, 30 * time.Second, time.Hour},
	} {
		e, err := NewEndpoint(Options{Name: "test", URL: "https://events.example.com", Backoff: c.backoff, MaxBackoff: c.most})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[time.Duration]bool{}
		for range 200 {
			got := e.Delay(c.attempts, c.retryAfter)
			if seen[got] = true; got < c.shortest || got > c.longest {
				t.Fatalf("%+v: a delay of %s", c, got)
			}
		}
		if c.longest-c.shortest > time.Second && len(seen) < 100 {
			t.Errorf("%+v: only %d delays are different", c, len(seen))
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, c := range []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0}, {"0", "", 0}, {"120", "", 2 * time.Minute}, {"3600", "", time.Hour}, {"3601", "", time.Hour},
		{"18446744073709551615", "", time.Hour}, {"18446744073709551616", "", 0}, {"-1", "", 0}, {"soon", "", 0}, {"1.5", "", 0},
		{at(90 * time.Second), "", 90 * time.Second}, {at(-time.Minute), "", 0}, {at(48 * time.Hour), "", time.Hour},
		{at(90 * time.Second), at(60 * time.Second), 30 * time.Second}, {at(-59 * time.Minute), at(-time.Hour), time.Minute},
		{at(90 * time.Second), "yesterday", 90 * time.Second},
	} {
		header := http.Header{}
		header.Set("Retry-After", c.value)
		header.Set("Date", c.date)
		if got := retryAfter(header, now); got != c.want {
			t.Errorf("Retry-After %q, Date %q: %s, want %s", c.value, c.date, got, c.want)
		}
	}
}
