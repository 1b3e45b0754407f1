package drivertest

import "github.com/registryd/registryd/internal/drivers"

// Op is a method of drivers.Driver.
type Op string

const (
	OpStat   Op = "stat"
	OpOpen   Op = "open"
	OpPut    Op = "put"
	OpDelete Op = "delete"
	OpList   Op = "list"
	OpAppend Op = "append"
	OpCommit Op = "commit"
	OpAbort  Op = "abort"
	OpPing   Op = "ping"
)

// Writes says whether an op can change anything.
func (op Op) Writes() bool {
	switch op {
	case OpPut, OpDelete, OpAppend, OpCommit, OpAbort:
		return true
	}
	return false
}

// Outcome is what becomes of a step or call. Those that fail come in pairs, which the caller cannot tell apart.
type Outcome int

const (
	Pass       Outcome = iota
	NotApplied         // it fails, and nothing happened
	Unanswered         // it happens, but the answer is lost
	Block              // of a Faulty alone: it waits for Release or its context
)

func (o Outcome) String() string {
	return [...]string{"pass", "not applied", "unanswered", "block"}[o]
}

// Counts is how often each method was called.
type Counts map[Op]int

// Total is how many calls there were.
func (c Counts) Total() (n int) {
	for _, calls := range c {
		n += calls
	}
	return n
}

// failure is the error of an injected fault.
type failure string

func (f failure) Error() string        { return string(f) }
func (f failure) Is(target error) bool { return target == drivers.ErrUnavailable }
