package storage

import (
	"slices"

	"github.com/registryd/registryd/internal/manifest"
)

// Platform is what a child of an index runs on.
type Platform struct {
	OS           string
	Architecture string
}

// IndexRule says which children of an index must be in the repository before the index is taken. The zero rule demands them all.
type IndexRule struct {
	None bool       // demand none: sparse indexes
	Only []Platform // demand those for these platforms
}

func (rule IndexRule) required(children []manifest.Descriptor) []manifest.Descriptor {
	switch {
	case rule.None:
		return nil
	case len(rule.Only) == 0:
		return children
	}
	var required []manifest.Descriptor
	for _, child := range children {
		if p := child.Platform; p != nil && slices.Contains(rule.Only, Platform{OS: p.OS, Architecture: p.Architecture}) {
			required = append(required, child)
		}
	}
	return required
}
