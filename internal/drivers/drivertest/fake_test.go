package drivertest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/registryd/registryd/internal/drivers"
)

func openFake(t *testing.T) *Harness {
	f := NewFake(t).AllowOverwrite()
	return &Harness{
		Driver: f,
		Reopen: func(*testing.T) drivers.Driver { return f },
		Inject: f.Inject,
	}
}

func TestFake(t *testing.T) {
	t.Parallel()
	Run(t, openFake)
}

// complaints collects what a Fake reports.
type complaints struct {
	testing.TB
	all []string
}

func (c *complaints) Helper()                     {}
func (c *complaints) Error(args ...any)           { c.all = append(c.all, fmt.Sprint(args...)) }
func (c *complaints) Errorf(f string, arg ...any) { c.Error(fmt.Sprintf(f, arg...)) }

func TestFakeComplains(t *testing.T) {
	t.Parallel()
	upload := func(d drivers.Driver, fresh string) drivers.Session {
		s, err := d.Append(t.Context(), drivers.Session{}, fresh, &stream{id: 1, to: 10}, nil)
		if err != nil {
			t.Log(err)
		}
		return s
	}
	for _, c := range []struct {
		name string
		act  func(d drivers.Driver, put func(key, body string, cond drivers.Cond) drivers.Info)
		want string // "" for no complaint
	}{
		{"a key below a key", func(_ drivers.Driver, put func(string, string, drivers.Cond) drivers.Info) {
			put("a/b", "", drivers.Cond{})
			put("a/b/c", "", drivers.Cond{})
		}, "a/b/c is written below a/b"},
		{"a key above a key", func(_ drivers.Driver, put func(string, string, drivers.Cond) drivers.Info) {
			put("a/b/c/d", "", drivers.Cond{})
			put("a/b", "", drivers.Cond{})
		}, "a/b is written, and is a folder"},
		{"a key above one that is gone", func(d drivers.Driver, put func(string, string, drivers.Cond) drivers.Info) {
			put("a/b/c", "", drivers.Cond{})
			_ = d.Delete(t.Context(), "a/b/c")
			put("a/b", "", drivers.Cond{})
		}, ""},
		{"an upload below a key", func(d drivers.Driver, put func(string, string, drivers.Cond) drivers.Info) {
			put("a", "", drivers.Cond{})
			_, _ = d.Commit(t.Context(), upload(d, "a/b"))
		}, "a/b is written below a"},
		{"content written twice", func(d drivers.Driver, put func(string, string, drivers.Cond) drivers.Info) {
			put("root/data/0a/id", "x", drivers.Cond{IfAbsent: true})
			_ = d.Delete(t.Context(), "root/data/0a/id")
			put("root/data/0a/id", "x", drivers.Cond{IfAbsent: true})
		}, "root/data/0a/id is written a second time"},
		{"content put where an upload was", func(d drivers.Driver, put func(string, string, drivers.Cond) drivers.Info) {
			_, _ = d.Commit(t.Context(), upload(d, "data/0a/id"))
			put("data/0a/id", "x", drivers.Cond{})
		}, "without a condition"},
		{"a fresh key used twice", func(d drivers.Driver, _ func(string, string, drivers.Cond) drivers.Info) {
			upload(d, "up")
			upload(d, "up")
		}, "used before"},
		{"an IfMatch left empty", func(_ drivers.Driver, put func(string, string, drivers.Cond) drivers.Info) {
			put("key", "1", drivers.Cond{})
			put("key", "2", drivers.Cond{IfMatch: ""})
		}, "without a condition"},
		{"the same again", func(_ drivers.Driver, put func(string, string, drivers.Cond) drivers.Info) {
			put("key", "1", drivers.Cond{})
			put("key", "1", drivers.Cond{})
		}, ""},
		{"an IfMatch from elsewhere", func(_ drivers.Driver, put func(string, string, drivers.Cond) drivers.Info) {
			info := put("key", "1", drivers.Cond{})
			put("key", "2", drivers.Cond{IfMatch: strings.Trim(info.ETag, `"`)})
		}, "no ETag that was ever given"},
		{"a reader used after Close", func(d drivers.Driver, put func(string, string, drivers.Cond) drivers.Info) {
			put("key", "1", drivers.Cond{})
			r, _, _ := d.Open(t.Context(), "key", 0, -1)
			_ = r.Close()
			_, _ = io.ReadAll(r)
		}, "after it was closed"},
		{"a reader never closed", func(d drivers.Driver, put func(string, string, drivers.Cond) drivers.Info) {
			put("key", "1", drivers.Cond{})
			_, _, _ = d.Open(t.Context(), "key", 0, -1)
		}, "was not closed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			heard := &complaints{TB: t}
			f := NewFake(heard)
			c.act(f, func(key, body string, cond drivers.Cond) drivers.Info {
				info, _ := f.Put(t.Context(), key, strings.NewReader(body), cond)
				return info
			})
			f.AssertClosed(heard)
			got := strings.Join(heard.all, "; ")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("the fake says %q, want %q", got, c.want)
			}
		})
	}
}

// A record without a nonce that goes from A to B and back lets a late compare-and-swap through: that is what the fake's ETags are for.
func TestFakeETagsDependOnContent(t *testing.T) {
	t.Parallel()
	f := NewFake(t)
	put := func(body string, cond drivers.Cond) (string, error) {
		info, err := f.Put(t.Context(), "record", strings.NewReader(body), cond)
		return info.ETag, err
	}
	first, err0 := put("A", drivers.Cond{IfAbsent: true})
	second, err1 := put("B", drivers.Cond{IfMatch: first})
	_, err2 := put("A", drivers.Cond{IfMatch: second})
	_, err3 := put("late", drivers.Cond{IfMatch: first})
	if err := errors.Join(err0, err1, err2, err3); err != nil {
		t.Fatal(err)
	}
}

func TestFakeCounts(t *testing.T) {
	t.Parallel()
	f := NewFake(t)
	for range 3 {
		_, _ = f.Stat(t.Context(), "a")
	}
	_, _ = f.List(t.Context(), drivers.ListOptions{})
	if got := f.Counts(); got[OpStat] != 3 || got[OpList] != 1 || got.Total() != 4 {
		t.Errorf("counted %v", got)
	}
	f.ResetCounts()
	if got := f.Counts().Total(); got != 0 {
		t.Errorf("counted %d after a reset", got)
	}
}
