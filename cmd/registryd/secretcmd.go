package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) secretCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "secret",
		Short: "Make the secret that nodes share",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage(cmd, fmt.Errorf("secret needs to know what to do: new"))
		},
	}
	group.AddCommand(&cobra.Command{
		Use:   "new",
		Short: "Print a new secret: 32 random bytes in hex, and nothing else",
		Long: "secret new prints 32 random bytes in hex, and nothing else. They are for http.secret (REGISTRY_HTTP_SECRET), which seals the tokens of running uploads. " +
			"Nodes that share a bucket need the same one, so run this once and give what it prints to all of them. It is stored nowhere.",
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.stdout, newSecret())
			return err
		},
	})
	return group
}

// newSecret is 32 random bytes in hex.
func newSecret() string {
	random := make([]byte, 32)
	rand.Read(random) // crypto/rand.Read never fails
	return hex.EncodeToString(random)
}
