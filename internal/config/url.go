package config

import (
	"net/url"
	"strconv"
	"strings"
)

// URL is one that may hold a password or a token. It is printed without: only [URL.Reveal] gives all of it.
type URL string

// String masks the user, the path and what stands behind a question mark, and all of what is no URL: many services have their token in the path.
func (u URL) String() string {
	if u == "" {
		return ""
	}
	parsed, err := url.Parse(string(u))
	if err != nil || parsed.Host == "" {
		return mask
	}
	shown := parsed.Scheme + "://"
	if parsed.User != nil {
		shown += mask + "@"
	}
	shown += parsed.Host
	switch {
	case parsed.RawQuery != "" || strings.Trim(parsed.Path, "/") != "":
		shown += "/" + mask
	case parsed.Path != "":
		shown += "/"
	}
	return shown
}

// GoString keeps secrets out of %#v.
func (u URL) GoString() string { return strconv.Quote(u.String()) }

// MarshalText keeps secrets out of JSON and YAML.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// Reveal gives the URL itself.
func (u URL) Reveal() string { return string(u) }
