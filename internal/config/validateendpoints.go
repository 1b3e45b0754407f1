package config

import (
	"cmp"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// What endpoints are held to. The package that sends events has the same limits.
const (
	maxEndpointName = 64
	maxBatch        = 1000
	maxConcurrency  = 256
	maxPause        = 24 * time.Hour
)

const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// validEndpointName: names become parts of keys.
func validEndpointName(name string) bool {
	return name != "" && len(name) <= maxEndpointName && strings.Trim(name, alphanumeric+"._-") == "" && strings.ContainsRune(alphanumeric, rune(name[0]))
}

func (l *loader) validateEndpoints(endpoints []Endpoint) {
	const list = "notifications.endpoints"
	names := make(map[string]bool)
	for i, e := range endpoints {
		at := elementPath(list, i)
		check := func(key string, ok bool, format string, args ...any) {
			if !ok {
				l.wrong(cmp.Or(l.origins[join(at, key)], l.origins[at]), join(elementTitle(list, i, e.Name), key), format, args...)
			}
		}
		check("name", e.Name != "", "is missing; write one, such as ci")
		check("name", e.Name == "" || validEndpointName(e.Name), "is %q; write 1 to 64 letters, digits, '.', '_' and '-', with a letter or digit first", e.Name)
		check("name", !names[e.Name] || e.Name == "", "is that of another endpoint, too; write another one")
		names[e.Name] = true
		e.validateWhere(check)
		e.validateHow(check)
		e.validateWhat(check)
	}
}

// validateWhere is about the connection, and what must not be shown.
func (e Endpoint) validateWhere(check func(key string, ok bool, format string, args ...any)) {
	check("url", e.URL != "", "is missing; write where to send events, such as https://ci.example.com/events")
	check("url", e.URL == "" || validEndpointURL(e.URL.Reveal()), "is not a URL; write one, such as https://ci.example.com/events")
	check("url", !strings.Contains(string(e.URL), mask), "has the mask that config print shows; write the URL itself")
	for name, values := range e.Headers {
		check("headers", validHeader(name, values), "has an entry %q that cannot be a header; correct its name or value", name)
		check("headers", !slices.Contains(values, mask), "has the mask that config print shows for %q; write the value itself", name)
	}
	check("secret", e.Secret != mask, "is the mask that config print shows; write the secret itself")
	check("secrets", len(e.Secrets) == 0 || e.Secret == "", "is set beside secret; put that into the list and remove it, or remove the list")
	check("secrets", len(e.Secrets) <= 2, "has %d entries; write two at most, the new one and the old one", len(e.Secrets))
	check("secrets", !slices.Contains(e.Secrets, ""), "has an empty entry; write the secret itself, or remove the entry")
	check("secrets", !slices.Contains(e.Secrets, mask), "has the mask that config print shows; write the secret itself")
	check("tls.key", e.TLS.Certificate == "" || e.TLS.Key != "", "is missing beside tls.certificate; name the file of the private key")
	check("tls.certificate", e.TLS.Key == "" || e.TLS.Certificate != "", "is missing beside tls.key; name the file of the certificate")
}

func validEndpointURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

// validateHow is about attempts.
func (e Endpoint) validateHow(check func(key string, ok bool, format string, args ...any)) {
	check("timeout", e.Timeout > 0, "must be more than nothing; write a duration such as 5s")
	check("threshold", e.Threshold > 0, "is %d; write 1 or more", e.Threshold)
	check("backoff", e.Backoff > 0 && e.Backoff <= maxPause, "is %s; write more than nothing, and 24h at most", shortDuration(e.Backoff))
	check("maxbackoff", e.MaxBackoff > 0 && e.MaxBackoff <= maxPause, "is %s; write more than nothing, and 24h at most", shortDuration(e.MaxBackoff))
	check("maxattempts", e.MaxAttempts > 0, "is %d; write 1 or more", e.MaxAttempts)
	check("batch", e.Batch > 0 && e.Batch <= maxBatch, "is %d; write 1 to %d", e.Batch, maxBatch)
	check("concurrency", e.Concurrency > 0 && e.Concurrency <= maxConcurrency, "is %d; write 1 to %d", e.Concurrency, maxConcurrency)
}

// validateWhat is about which events it is told of.
func (e Endpoint) validateWhat(check func(key string, ok bool, format string, args ...any)) {
	actions := []string{"push", "pull", "mount", "delete"}
	for _, action := range e.Ignore.Actions {
		check("ignore.actions", slices.Contains(actions, action), "has an entry %q; write %s", action, strings.Join(actions, ", "))
	}
	for _, pattern := range e.Include {
		check("include", validPattern(pattern), "has an entry %q, which is no pattern; write one such as library/* or team/**", pattern)
	}
	check("ignore.mediatypes", !slices.Contains(e.Ignore.MediaTypes, ""), "has an empty entry; write a media type, or remove the entry")
	check("ignoredmediatypes", !slices.Contains(e.IgnoredMediaTypes, ""), "has an empty entry; write a media type, or remove the entry")
}

func validPattern(pattern string) bool {
	for component := range strings.SplitSeq(pattern, "/") {
		if _, err := path.Match(component, ""); err != nil || component == "" {
			return false
		}
	}
	return true
}
