package events

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/registryd/registryd/internal/reference"
)

// pattern chooses repositories by name, the whole name, one component after the other:
//
//   - any run of characters within a component, also none
//     ?       one character within a component
//     [a-z]   one character of a class; [^a-z] one outside of it
//     \c      the character c
//     **      as a whole component: any number of components, also none
//
// So library/* is library/busybox but not library/a/b; team/** is team and all below it; **/cache is each repository whose last component is cache.
// Within a component the rules are those of path.Match.
type pattern []string

const anyDepth = "**"

func parsePattern(s string) (pattern, error) {
	p := pattern(strings.Split(s, "/"))
	for _, component := range p {
		_, err := path.Match(component, "")
		if component == "" || err != nil {
			return nil, fmt.Errorf("%q is no pattern for repositories: write one such as library/* or team/**", s)
		}
	}
	// Two in a row say no more than one.
	return slices.CompactFunc(p, func(a, b string) bool { return a == anyDepth && b == anyDepth }), nil
}

// match takes as many steps as pattern and name have components, multiplied, at most: after a mismatch only the last ** takes one component more.
func (p pattern) match(name reference.Name) bool {
	n := strings.Split(string(name), "/")
	i, j := 0, 0
	star, taken := -1, 0 // where the last ** stands in p, and where in n it ends so far
	for j < len(n) {
		switch {
		case i < len(p) && p[i] == anyDepth:
			star, taken = i, j
			i++
		case i < len(p) && matchComponent(p[i], n[j]):
			i++
			j++
		case star >= 0:
			taken++
			i, j = star+1, taken
		default:
			return false
		}
	}
	return i == len(p) || i == len(p)-1 && p[i] == anyDepth
}

func matchComponent(component, s string) bool {
	ok, _ := path.Match(component, s) // parsePattern has seen to its form
	return ok
}
