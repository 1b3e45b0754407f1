package drivertest

import (
	"fmt"
	"strings"
)

// Call is one call of a driver.
type Call struct {
	N       int // from 1
	Op      Op
	Key     string // the first of several; the prefix of a List; of an Append the session's, or the fresh one where it starts
	Outcome Outcome
}

func (c Call) String() string { return fmt.Sprintf("call %d, %s %s, %s", c.N, c.Op, c.Key, c.Outcome) }

// Plan says what becomes of a call. It is called for one call at a time.
type Plan func(c Call) Outcome

// On is o for calls of op whose key contains part, and Pass for others. An empty op is any.
func On(op Op, part string, o Outcome) Plan {
	return func(c Call) Outcome {
		if (op == "" || c.Op == op) && strings.Contains(c.Key, part) {
			return o
		}
		return Pass
	}
}

// Once is plan until it was something else than Pass.
func Once(plan Plan) Plan {
	done := false
	return func(c Call) Outcome {
		if done {
			return Pass
		}
		o := plan(c)
		done = o != Pass
		return o
	}
}
