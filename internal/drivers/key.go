package drivers

import (
	"fmt"
	"strings"
)

// Lengths of keys, in bytes. 1,024 is what S3 takes, 255 what file systems take for one name.
const (
	maxKey  = 1024
	maxPart = 255
)

// CheckKey says whether key may be written, as an error wrapping ErrInvalidKey.
func CheckKey(key string) error {
	if key == "" || len(key) > maxKey {
		return fmt.Errorf("key of %d bytes: %w", len(key), ErrInvalidKey)
	}
	if key[0] == '.' {
		return fmt.Errorf("key %q starts with a dot: %w", key, ErrInvalidKey)
	}
	for i := 0; i < len(key); i++ {
		if key[i] <= ' ' || key[i] > '~' || key[i] == '\\' {
			return fmt.Errorf("key %q has byte %#x: %w", key, key[i], ErrInvalidKey)
		}
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part == "." || part == ".." || len(part) > maxPart {
			return fmt.Errorf("key %q has the part %q: %w", key, part, ErrInvalidKey)
		}
	}
	return nil
}
