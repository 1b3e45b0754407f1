package storage

import (
	"context"
	"slices"
	"strings"

	"github.com/registryd/registryd/internal/reference"
)

// oldRepositories are the names of the repositories that have manifests and whose name is behind after, at most n of them, in byte order, found by
// walking the tree of names. more says that there may be others. It costs a listing for each folder that is looked into.
func (r *Registry) oldRepositories(ctx context.Context, after string, n int) (names []string, more bool, err error) {
	w := &nameWalk{Registry: r, after: after, n: n}
	top, err := w.look(ctx, "")
	if err == nil {
		err = w.walk(ctx, top)
	}
	return w.names, w.full(), err
}

// nameWalk goes through the tree of names in the order of the names, which is not that of the keys.
type nameWalk struct {
	*Registry
	after string
	n     int
	names []string
}

// nameFolder is a folder of the tree: perhaps a repository, and perhaps the beginning of longer names.
type nameFolder struct {
	name       string // empty for the top
	repository bool
	parts      []string
}

func (w *nameWalk) full() bool { return len(w.names) >= w.n }

// look lists one folder.
func (w *nameWalk) look(ctx context.Context, name string) (nameFolder, error) {
	f, prefix := nameFolder{name: name}, w.keys.repositoriesPrefix()
	if name != "" {
		prefix += name + "/"
	}
	parts, err := w.folders(ctx, prefix)
	for _, part := range parts {
		f.repository = f.repository || part == "_manifests"
		if !strings.HasPrefix(part, "_") {
			f.parts = append(f.parts, part)
		}
	}
	return f, err
}

// walk adds what is in a folder. Each folder in it stands for itself, under its name, and for what is in it, under its name and a slash: put in order,
// these are in the order of all names (`a`, `a-b`, `a/...`).
func (w *nameWalk) walk(ctx context.Context, top nameFolder) error {
	var steps []string
	for _, part := range top.parts {
		name := part
		if top.name != "" {
			name = top.name + "/" + part
		}
		if _, err := reference.ParseName(name); err != nil {
			continue
		}
		if name > w.after {
			steps = append(steps, name)
		}
		if in := name + "/"; in > w.after || strings.HasPrefix(w.after, in) {
			steps = append(steps, in)
		}
	}
	slices.Sort(steps)
	seen := map[string]nameFolder{}
	for i, step := range steps {
		if w.full() {
			return nil
		}
		name, inside := strings.CutSuffix(step, "/")
		if _, ok := seen[name]; !ok {
			if err := w.lookAhead(ctx, seen, steps[i:]); err != nil {
				return err
			}
		}
		if !inside && seen[name].repository {
			w.names = append(w.names, name)
		}
		if inside {
			if err := w.walk(ctx, seen[name]); err != nil {
				return err
			}
			delete(seen, name)
		}
	}
	return nil
}

// lookAhead lists the next few folders side by side.
func (w *nameWalk) lookAhead(ctx context.Context, seen map[string]nameFolder, steps []string) error {
	var next []string
	for _, step := range steps {
		name := strings.TrimSuffix(step, "/")
		if _, ok := seen[name]; !ok && !slices.Contains(next, name) {
			next = append(next, name)
		}
		if len(next) == min(atOnce, w.n) {
			break
		}
	}
	found := make([]nameFolder, len(next))
	group, work := workers(ctx)
	for i, name := range next {
		group.Go(func() (err error) { found[i], err = w.look(work, name); return err })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, name := range next {
		seen[name] = found[i]
	}
	return nil
}
