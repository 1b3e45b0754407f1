package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/registryd/registryd/internal/config"
)

// What run gives, for the shell.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// run is the whole program. It ends when its work is done, or soon after ctx is.
func run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{env: env, stdout: stdout, stderr: stderr}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	for problem := range strings.Lines(err.Error()) {
		fmt.Fprintf(stderr, "registryd: %s\n", strings.TrimSuffix(problem, "\n"))
	}
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitError
}

// usageError is a mistake in the command line itself.
type usageError struct{ error }

func usage(cmd *cobra.Command, err error) error {
	return usageError{fmt.Errorf("%w; run %s --help to see what there is", err, cmd.CommandPath())}
}

// app is what the commands have in common.
type app struct {
	env            []string
	stdout, stderr io.Writer
	file           string // --config
}

// settingFlags are the settings that have a flag; all others are set in the file or the environment.
var settingFlags = []struct{ name, key, usage string }{
	{"addr", "http.addr", "listen on `ADDRESS`, such as :5000 (http.addr)"},
	{"data", "storage.filesystem.rootdirectory", "keep everything in `DIRECTORY` (storage.filesystem.rootdirectory)"},
}

func (a *app) root() *cobra.Command {
	serve := a.serveCommand()
	root := &cobra.Command{
		Use:           "registryd",
		Short:         "An OCI registry: docker, podman, skopeo, crane and helm push to it and pull from it",
		Long:          "registryd is an OCI registry. Without a command it serves, on 127.0.0.1:5000, and keeps its data in ./registry-data.",
		Args:          noArgs,
		RunE:          serve.RunE,
		SilenceErrors: true,
		SilenceUsage:  true,

		SuggestionsMinimumDistance: 2,
	}
	root.SetFlagErrorFunc(usage)
	flags := root.PersistentFlags()
	flags.StringVarP(&a.file, "config", "c", "", "read settings from the YAML `FILE` (also "+config.PathVariable+")")
	for _, f := range settingFlags {
		flags.String(f.name, "", f.usage)
	}
	root.AddCommand(serve, a.fsckCommand(), a.uploadsCommand(), a.storageCommand(), a.clusterCommand(), a.healthCommand(), a.eventsCommand(), a.secretCommand(), a.configCommand(), a.versionCommand())
	return root
}

// noArgs refuses arguments; behind the root or a group of commands, they were meant as one.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !cmd.HasSubCommands() {
		return usage(cmd, fmt.Errorf("%s takes no arguments, but got %q", cmd.CommandPath(), args[0]))
	}
	err := fmt.Errorf("there is no command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		err = fmt.Errorf("%w, did you mean %s", err, near[0])
	}
	return usage(cmd, err)
}

// load reads the configuration for cmd.
func (a *app) load(cmd *cobra.Command) (config.Loaded, error) {
	src := config.Sources{File: a.file, Env: a.env}
	for _, variable := range a.env {
		if path, ok := strings.CutPrefix(variable, config.PathVariable+"="); ok && a.file == "" {
			src.File = path
		}
	}
	for _, f := range settingFlags {
		if flag := cmd.Flags().Lookup(f.name); flag.Changed {
			src.Flags = append(src.Flags, config.Flag{Name: "--" + f.name, Key: f.key, Value: flag.Value.String()})
		}
	}
	return config.Load(src)
}
