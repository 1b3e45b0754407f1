package manifest

import (
	"errors"
	"fmt"
	"strings"
)

// Code says what sort of problem a manifest has. Of other kinds than Docker schema 1, all are CodeInvalid.
type Code int

const (
	CodeInvalid    Code = iota // it is malformed: MANIFEST_INVALID
	CodeUnverified             // it is not signed, or not as it says: MANIFEST_UNVERIFIED
	CodeName                   // it names another repository: NAME_INVALID
	CodeTag                    // it names another tag: TAG_INVALID
)

// Error says what is wrong with a manifest.
type Error struct {
	Code   Code
	Reason string // a plain sentence that says what to do, fit for a client
}

func (e *Error) Error() string {
	what := "invalid manifest: "
	switch e.Code {
	case CodeUnverified:
		what = "unverified manifest: "
	case CodeName:
		what = "manifest of another repository: "
	case CodeTag:
		what = "manifest of another tag: "
	}
	return what + e.Reason
}

// Problems gives all that is wrong with a manifest by an error of this package, or by several that were joined, in their order; none for other errors.
func Problems(err error) []*Error {
	switch e := err.(type) {
	case *Error:
		return []*Error{e}
	case interface{ Unwrap() []error }:
		var all []*Error
		for _, err := range e.Unwrap() {
			all = append(all, Problems(err)...)
		}
		return all
	}
	if err = errors.Unwrap(err); err == nil {
		return nil
	}
	return Problems(err)
}

// maxProblems limits how long a list of problems a client can ask for.
const maxProblems = 100

// problems collects what is wrong with one manifest.
type problems struct{ list []error }

func (p *problems) add(code Code, format string, args ...any) {
	switch {
	case len(p.list) < maxProblems:
		p.list = append(p.list, &Error{Code: code, Reason: fmt.Sprintf(format, args...)})
	case len(p.list) == maxProblems:
		p.list = append(p.list, &Error{Code: code, Reason: "there are more problems than these: solve these first"})
	}
}

// take adds an error of this package; what names in it what it is about.
func (p *problems) take(what string, err error) {
	for _, e := range Problems(err) {
		p.add(e.Code, "%s", strings.TrimSpace(what+" "+e.Reason))
	}
}

func (p *problems) err() error { return errors.Join(p.list...) }

func invalid(format string, args ...any) error {
	return &Error{Reason: fmt.Sprintf(format, args...)}
}

func unverified(format string, args ...any) error {
	return &Error{Code: CodeUnverified, Reason: fmt.Sprintf(format, args...)}
}
