package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// given is what the file sets a key to.
type given struct {
	key   *key
	value any
	where string
}

// given lists what has been set so far.
func (l *loader) given() (all []given) {
	schema.walk(func(k *key) {
		if where, set := l.origins[k.path]; set {
			all = append(all, given{key: k, value: l.k.Get(k.path), where: where})
		}
	})
	return all
}

// overridden warns of what the file sets and a variable sets to something else, since a change of the file is without effect then. It shows no value, which
// may be a secret.
func (l *loader) overridden(file []given) {
	for _, g := range file {
		now := l.k.Get(g.key.path)
		if g.key.typ.Kind() == reflect.Map {
			l.overriddenEntries(g, entries(now))
		} else if !reflect.DeepEqual(now, g.value) {
			l.noEffect(g, g.key.path, l.origins[g.key.path])
		}
	}
}

// overriddenEntries looks at each entry of a map by itself: a variable for one of them leaves the others as they are.
func (l *loader) overriddenEntries(g given, now map[string]any) {
	before := entries(g.value)
	for _, name := range slices.Sorted(maps.Keys(before)) {
		path := join(g.key.path, name)
		by, alone := l.origins[path]
		if !alone {
			by = l.origins[g.key.path]
		}
		if !reflect.DeepEqual(now[name], before[name]) {
			l.noEffect(g, path, by)
		}
	}
}

func entries(m any) map[string]any {
	all := make(map[string]any)
	for name, value := range reflect.ValueOf(m).Seq2() {
		all[name.String()] = value.Interface()
	}
	return all
}

// noEffect warns unless it is a flag that sets the key: whoever types one knows.
func (l *loader) noEffect(g given, path, by string) {
	if strings.HasPrefix(by, envPrefix) {
		l.warn("%s: %s has no effect, because the variable %s sets it to something else; change the variable, or remove one of the two.", g.where, path, by)
	}
}
