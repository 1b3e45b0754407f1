package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
)

// Sources are where settings come from, each stronger than the one before.
type Sources struct {
	File  string   // name of a YAML file; empty for none
	Env   []string // as os.Environ gives it; only names that start with REGISTRY_ matter
	Flags []Flag
}

// Flag is a setting from the command line.
type Flag struct {
	Name  string // with its dashes, for messages
	Key   string // dotted
	Value string
}

// Loaded is a configuration that can be run with.
type Loaded struct {
	Config
	Warnings []string          // sentences to log once
	Origins  map[string]string // by dotted key: where its value comes from, if it is not the default
}

// Error tells everything that is wrong with a configuration, in one sentence each.
type Error struct{ Problems []string }

func (e *Error) Error() string { return strings.Join(e.Problems, "\n") }

// maxFile bounds the size of a configuration file, in bytes.
const maxFile = 1 << 20

// Load reads all sources. Its error is an *Error that names all problems at once.
func Load(src Sources) (Loaded, error) {
	l := newLoader()
	if src.File != "" {
		if text, err := readFile(src.File); err != nil {
			l.problem("%v", err)
		} else {
			l.yaml(filepath.Base(src.File), text)
		}
	}
	file := l.given()
	l.env(src.Env)
	l.flags(src.Flags)
	l.overridden(file)
	return l.result()
}

func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("the configuration file %s does not exist; name one that does with --config, or leave it out to run with defaults", name)
	case err == nil && info.IsDir():
		return nil, fmt.Errorf("%s is a directory; name the configuration file in it with --config", name)
	case err == nil && info.Size() > maxFile:
		return nil, fmt.Errorf("the configuration file %s is larger than 1 MiB; name a smaller one with --config", name)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, fmt.Errorf("the configuration file %s cannot be read (%w); let this user read it", name, err)
	}
	return text, nil
}

// loader collects settings, and what is wrong with them.
type loader struct {
	k        *koanf.Koanf
	origins  map[string]string
	warnings []string
	problems []string
}

func newLoader() *loader {
	l := &loader{k: koanf.New("."), origins: make(map[string]string)}
	defaults := make(map[string]any)
	schema.walk(func(k *key) {
		if !k.isSection() {
			defaults[k.path] = k.of(Default())
		}
	})
	l.merge(defaults)
	return l
}

// merge lays values over what is there; they have the types of their keys.
func (l *loader) merge(values map[string]any) {
	if err := l.k.Load(confmap.Provider(values, "."), nil); err != nil {
		l.problem("the configuration cannot be put together (%v); report this as a bug.", err)
	}
}

// set takes one value that where gives.
func (l *loader) set(k *key, value any, where string) {
	l.merge(map[string]any{k.path: value})
	l.origins[k.path] = where
}

func (l *loader) problem(format string, args ...any) {
	l.problems = append(l.problems, fmt.Sprintf(format, args...))
}

// warn notes a warning once, however many keys give it.
func (l *loader) warn(format string, args ...any) {
	if w := fmt.Sprintf(format, args...); !slices.Contains(l.warnings, w) {
		l.warnings = append(l.warnings, w)
	}
}

func (l *loader) flags(flags []Flag) {
	for _, f := range flags {
		k := lookup(f.Key)
		if value, err := k.parseText(f.Value); err != nil {
			l.problem("%s: %s %v.", f.Name, k.path, err)
		} else {
			l.set(k, value, f.Name)
		}
	}
}

func (l *loader) result() (Loaded, error) {
	out := Loaded{Warnings: l.warnings, Origins: l.origins}
	if err := l.k.UnmarshalWithConf("", &out.Config, koanf.UnmarshalConf{Tag: "yaml"}); err != nil {
		l.problem("the configuration cannot be put together (%v); report this as a bug.", err)
	}
	// An absolute URL that is set and then not used would be a riddle.
	if _, asked := l.origins["http.relativeurls"]; out.HTTP.Host != "" && !asked {
		out.HTTP.RelativeURLs = false
	}
	l.validate(out.Config)
	if len(l.problems) > 0 {
		return out, &Error{Problems: l.problems}
	}
	return out, nil
}
