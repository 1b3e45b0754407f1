package redisconn

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestServersAreKnownAfterAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s servers
		check := func(when string, want bool) {
			t.Helper()
			if s.knownSince(time.Now()) != want {
				t.Errorf("%s: known is %v, want %v", when, !want, want)
			}
		}
		check("nobody met", false)
		s.met("a")
		check("at once", false)
		<-time.After(distrust)
		check("after the time", false)
		<-time.After(time.Nanosecond)
		check("after more than the time", true)
		s.met("a")
		check("another connection to the same", true)

		before := time.Now()
		s.met("b")
		check("another server", false)
		<-time.After(2 * distrust)
		check("another server, after the time", true)
		if s.knownSince(before) {
			t.Error("a server was met while the answer was under way, and yet is known")
		}
		for range 2 {
			s.met("")
			check("one that says nothing of itself", false)
			<-time.After(2 * distrust)
		}
		for i := range 2 * maxKnown {
			s.met(strconv.Itoa(i))
		}
		if len(s.known) > maxKnown {
			t.Errorf("%d servers are kept, want %d at most", len(s.known), maxKnown)
		}
	})
}

func TestField(t *testing.T) {
	t.Parallel()
	info := "# Server\r\nredis_mode:standalone\r\nrun_id:22f8\r\nexecutable:/a:b\r\n"
	for name, want := range map[string]string{"run_id": "22f8", "redis_mode": "standalone", "executable": "/a:b", "id": "", "# Server": ""} {
		if got := field(info, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}
