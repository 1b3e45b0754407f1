package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) configCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "config",
		Short: "Show or check the configuration",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage(cmd, fmt.Errorf("config needs to know what to do: print or check"))
		},
	}
	group.AddCommand(
		&cobra.Command{
			Use:   "print",
			Short: "Print the configuration that holds, with what each key means and where its value comes from",
			Args:  noArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				c, err := a.load(cmd)
				if err != nil {
					return err
				}
				return c.Print(a.stdout)
			},
		},
		&cobra.Command{
			Use:   "check",
			Short: "Tell everything that is wrong with the configuration",
			Args:  noArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				c, err := a.load(cmd)
				for _, w := range c.Warnings {
					fmt.Fprintln(a.stdout, w)
				}
				if err != nil {
					return err
				}
				fmt.Fprintln(a.stdout, "The configuration can be run with.")
				return nil
			},
		},
	)
	return group
}
