package main

import (
	"regexp"
	"strings"
	"testing"
)

func TestSecretNew(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 2 {
		code, stdout, stderr := invoke(t, nil, "secret", "new")
		if code != exitOK || stderr != "" || !regexp.MustCompile(`^[0-9a-f]{64}\n$`).MatchString(stdout) {
			t.Errorf("exit %d, %d bytes\nstderr: %s", code, len(stdout), stderr)
		}
		seen[stdout] = true
	}
	if len(seen) != 2 {
		t.Error("the same secret twice")
	}
	if _, stdout, _ := invoke(t, nil, "secret", "new", "--help"); !strings.Contains(stdout, "http.secret (REGISTRY_HTTP_SECRET)") {
		t.Errorf("nobody is told where it goes: %s", stdout)
	}
	if code, _, stderr := invoke(t, nil, "secret"); code != exitUsage || !strings.Contains(stderr, "secret needs to know what to do: new") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}
