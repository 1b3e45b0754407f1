package cluster

import "testing"

// TestEnd: what a failed test shows of a node's log leaves out requests that went well.
func TestEnd(t *testing.T) {
	t.Parallel()
	const (
		ready = `{"msg":"registryd is ready","addr":"127.0.0.1:1"}` + "\n"
		good  = `{"msg":"request","status":404}` + "\n"
		bad   = `{"msg":"request","status":500}` + "\n"
		panic = "panic: runtime error\n"
	)
	for _, c := range []struct {
		name, log, want string
		lines           int
	}{
		{"nothing", "", "", 2},
		{"all of it", ready + bad, ready + bad, 2},
		{"the last lines", ready + bad + panic, bad + panic, 2},
		{"requests that went well", ready + good + bad + good + good, ready + bad, 2},
		{"a line that is not finished", good + panic + "goroutine 1", panic + "goroutine 1", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := end(c.log, c.lines); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
