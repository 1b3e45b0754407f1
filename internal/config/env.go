package config

import (
	"maps"
	"net/textproto"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const envPrefix = "REGISTRY_"

// PathVariable names the configuration file, as with CNCF Distribution.
const PathVariable = "REGISTRY_CONFIGURATION_PATH"

// foreign are variables that begin like ours but belong to others: podman and skopeo look for credentials in REGISTRY_AUTH_FILE.
var foreign = []string{PathVariable, "REGISTRY_AUTH_FILE"}

// injected matches what Kubernetes sets in every pod for a Service called registry, or registry-something. The bare ..._PORT is told from a
// setting by its value, a URL.
var (
	injected     = regexp.MustCompile(`^REGISTRY_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	injectedPort = regexp.MustCompile(`^REGISTRY_([A-Z0-9_]+_)?PORT=(tcp|udp|sctp)://`)
)

// env takes the settings of the environment, sorted so that messages come in a fixed order.
func (l *loader) env(environ []string) {
	for _, variable := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, envPrefix) || slices.Contains(foreign, name) || injected.MatchString(name) || injectedPort.MatchString(variable) {
			continue
		}
		l.variable(name, value)
	}
}

func (l *loader) variable(name, value string) {
	parts := strings.Split(strings.TrimPrefix(name, envPrefix), "_")
	k := schema
	for i, part := range parts {
		next := k.child(part)
		if next == nil {
			next = l.renamed(join(k.path, strings.ToLower(part)))
		}
		if next == nil {
			l.unknown(strings.ToLower(strings.Join(parts, ".")), name)
			return
		}
		if k = next; k.typ.Kind() == reflect.Map && i+1 < len(parts) {
			l.entry(k, strings.Join(parts[i+1:], "_"), value, name)
			return
		}
	}
	switch {
	case k.isSection():
		l.problem("%s: %s has keys of its own; set one of those, such as %s.", name, k.path, k.firstValue().env())
	case k.isTexts() && value != "" && !looksLikeList(value):
		l.value(l, k, split(value), name)
	case k.typ.Kind() == reflect.Map || k.typ.Kind() == reflect.Slice:
		var doc yaml.Node
		switch err := yaml.Unmarshal([]byte(value), &doc); {
		case err != nil && k.isTexts():
			l.problem("%s: the value is not valid YAML; write it such as [a, b], or a,b.", name) // without the error, which may show a secret
		case err != nil && k.element != nil:
			l.problem("%s: the value is not valid YAML; correct it.", name) // likewise
		case err != nil:
			l.problem("%s: the value is not valid YAML (%s); correct it.", name, yamlError(err))
		case len(doc.Content) > 0 && k.element != nil:
			l.list(k, doc.Content[0], name, variable(name))
		case len(doc.Content) > 0:
			l.value(l, k, resolve(doc.Content[0]), name)
		}
	case value == "" && k.typ.Kind() != reflect.String:
		// Compose files and charts pass empty variables on for "not set".
	default:
		l.value(l, k, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}, name)
	}
}

// looksLikeList tells a YAML list from texts with commas between them, such as [::1]:6379,redis:6379.
func looksLikeList(value string) bool {
	value = strings.TrimSpace(value)
	return strings.HasPrefix(value, "[") && strings.HasSuffix(value, "]") || strings.HasPrefix(value, "- ")
}

// entry takes one entry of a map: REGISTRY_LOG_FIELDS_SERVICE, REGISTRY_HTTP_HEADERS_X_FRAME_OPTIONS.
func (l *loader) entry(k *key, name, value, where string) {
	switch m := l.k.Get(k.path).(type) {
	case map[string]string:
		m, name = clone(m), strings.ToLower(name)
		m[name] = value
		l.set(k, m, where)
	case map[string][]string:
		var values []string
		if err := yaml.Unmarshal([]byte(value), &values); err != nil {
			values = []string{value}
		}
		m, name = clone(m), textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(name, "_", "-"))
		m[name] = values
		l.set(k, m, where)
	}
	l.origins[join(k.path, name)] = where
}

func clone[V any](m map[string]V) map[string]V {
	if m == nil {
		return make(map[string]V)
	}
	return maps.Clone(m)
}

func (k *key) firstValue() *key {
	for k.isSection() {
		k = k.children[0]
	}
	return k
}

// lookup finds a key that is known to be there.
func lookup(path string) *key {
	k := schema
	for name := range strings.SplitSeq(path, ".") {
		if k = k.child(name); k == nil {
			panic("config: no key " + path)
		}
	}
	return k
}
