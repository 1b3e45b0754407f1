package main

import (
	"fmt"
	"os"

	"github.com/registryd/registryd/internal/config"
	"github.com/registryd/registryd/internal/manifest"
)

// trustedKeys reads the keys of those who may sign manifests of Docker schema 1; nil lets anybody.
func trustedKeys(c config.Schema1) (*manifest.KeySet, error) {
	if !c.Enabled || c.TrustedKeys == "" {
		return nil, nil
	}
	content, err := os.ReadFile(c.TrustedKeys)
	if err != nil {
		return nil, fmt.Errorf("compatibility.schema1.trustedkeys cannot be read (%w); name a file that is a JWK set", err)
	}
	keys, err := manifest.ParseKeySet(content)
	if err != nil {
		return nil, fmt.Errorf("compatibility.schema1.trustedkeys, %s: %w", c.TrustedKeys, err)
	}
	return keys, nil
}
