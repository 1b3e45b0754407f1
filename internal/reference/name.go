package reference

import "strings"

// MaxName is the length of the longest repository name, in bytes.
const MaxName = 255

// Name is the name of a repository, such as library/busybox.
type Name string

// String gives n as text.
func (n Name) String() string { return string(n) }

const nameAdvice = "use lower-case letters and digits, joined by '.', '_', '__' or dashes, in parts separated by '/', at most 255 bytes in all"

// ParseName reads a repository name (OCI distribution spec, "Pulling manifests"):
//
//	[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*
//
// That is runs of letters and digits with one separator between any two of them, which is how it is read here: in one pass.
func ParseName(s string) (Name, error) {
	if len(s) > MaxName {
		return "", refuse(ErrName, s, nameAdvice)
	}
	for rest := s; ; {
		run := alphanumerics(rest)
		if run == 0 {
			return "", refuse(ErrName, s, nameAdvice)
		}
		if rest = rest[run:]; rest == "" {
			return Name(s), nil
		}
		rest = rest[separator(rest):] // of length 0 if there is none: then the next run is empty too
	}
}

// alphanumerics counts the lower-case letters and digits that s starts with.
func alphanumerics(s string) int {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return i
		}
	}
	return len(s)
}

// separator is the length of the separator that s starts with.
func separator(s string) int {
	switch {
	case s[0] == '-':
		return len(s) - len(strings.TrimLeft(s, "-"))
	case strings.HasPrefix(s, "__"):
		return 2
	case s[0] == '/' || s[0] == '.' || s[0] == '_':
		return 1
	}
	return 0
}
