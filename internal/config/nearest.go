package config

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// nearest is the key of root that someone who wrote path most likely meant. It compares whole paths and last components, so that both a slip in
// a section's name and a key put into the wrong section are found. It gives nil if none is near: what differs in more than two fifths of its letters
// was not meant, and a name made up for it would mislead.
func nearest(root *key, path string) *key {
	path = strings.ToLower(path)
	var best *key
	var bestDistance, bestWhole int
	root.walk(func(k *key) {
		whole := levenshtein.ComputeDistance(path, k.path)
		distance := min(whole, levenshtein.ComputeDistance(last(path), k.name))
		if best == nil || distance < bestDistance || distance == bestDistance && whole < bestWhole {
			best, bestDistance, bestWhole = k, distance, whole
		}
	})
	compared := len(path)
	if bestDistance < bestWhole {
		compared = len(last(path))
	}
	if 5*bestDistance > 2*compared {
		return nil
	}
	return best
}

func last(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
