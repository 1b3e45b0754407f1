package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/registryd/registryd/internal/config"
)

func TestTrustedKeys(t *testing.T) {
	t.Parallel()
	const key = `{"kty":"EC","crv":"P-256","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}`
	write := func(content string) string {
		file := filepath.Join(t.TempDir(), "keys.json")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for _, c := range []struct {
		name string
		in   config.Schema1
		some bool
		err  string
	}{
		{"nothing", config.Schema1{Enabled: true}, false, ""},
		{"off", config.Schema1{TrustedKeys: "/no/such/file"}, false, ""},
		{"a key", config.Schema1{Enabled: true, TrustedKeys: write(`{"keys":[` + key + `]}`)}, true, ""},
		{"no file", config.Schema1{Enabled: true, TrustedKeys: "/no/such/file"}, false, "name a file that is a JWK set"},
		{"no key", config.Schema1{Enabled: true, TrustedKeys: write(`{"keys":[]}`)}, false, "the key set is empty"},
		{"no set", config.Schema1{Enabled: true, TrustedKeys: write(key)}, false, "no list of keys"},
	} {
		keys, err := trustedKeys(c.in)
		if (keys != nil) != c.some || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, %v", c.name, keys, err)
		}
	}
}
