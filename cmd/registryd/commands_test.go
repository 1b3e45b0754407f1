package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCommands(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(file, []byte("version: 0.1\nhttp: {secret: hunter2}\nhealth: {storagedriver: {enabled: true}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	busy := taken.Addr().String()

	tests := []struct {
		name   string
		args   []string
		env    []string
		code   int
		stdout string
		stderr string // the whole of it, or how it begins if it ends with "..."
	}{
		{name: "version", args: []string{"version"}, stdout: "registryd "},
		{name: "help", args: []string{"--help"}, stdout: "Without a command it serves"},
		{name: "print", args: []string{"config", "print"}, stdout: "addr: 127.0.0.1:5000"},
		{name: "print with a flag", args: []string{"config", "print", "--addr", ":7"}, stdout: "addr: :7 # --addr"},
		{name: "print with a file", args: []string{"config", "print", "-c", file}, stdout: "secret: '********' # config.yml, line 2"},
		{name: "print with a file from the environment", args: []string{"config", "print"}, env: []string{"REGISTRY_CONFIGURATION_PATH=" + file}, stdout: "secret: '********'"},
		{name: "check", args: []string{"config", "check", "-c", file}, stdout: "health has no effect"},
		{name: "check with a variable that is stronger", args: []string{"config", "check", "-c", file}, env: []string{"REGISTRY_HTTP_SECRET=hunter22"},
			stdout: "config.yml, line 2: http.secret has no effect, because the variable REGISTRY_HTTP_SECRET sets it to something else; change the variable, or remove one of the two.\n" +
				"The configuration can be run with.\n"},
		{name: "check finds all", args: []string{"config", "check"}, env: []string{"REGISTRY_HTTP_ADR=:1", "REGISTRY_LOG_LEVEL=loud"}, code: exitError,
			stderr: "registryd: REGISTRY_HTTP_ADR: there is no key http.adr; write the nearest one, http.addr (REGISTRY_HTTP_ADDR), or remove it.\n" +
				"registryd: REGISTRY_LOG_LEVEL: log.level is \"loud\"; write one of debug, info, warn, error.\n"},
		{name: "no file", args: []string{"--config", "/none.yml"}, code: exitError, stderr: "registryd: the configuration file /none.yml does not exist; ..."},
		{name: "bad flag value", args: []string{"--addr", "5000"}, code: exitError, stderr: "registryd: --addr: http.addr is \"5000\"; write an address and a port, such as 127.0.0.1:5000 or :5000.\n"},
		{name: "unknown command", args: []string{"serv"}, code: exitUsage, stderr: "registryd: there is no command \"serv\", did you mean serve; run registryd --help to see what there is\n"},
		{name: "unknown flag", args: []string{"serve", "--port", "1"}, code: exitUsage, stderr: "registryd: unknown flag: --port; run registryd serve --help to see what there is\n"},
		{name: "half a command", args: []string{"config"}, code: exitUsage, stderr: "registryd: config needs to know what to do: print or check; run registryd config --help to see what there is\n"},
		{name: "an argument too many", args: []string{"version", "x"}, code: exitUsage, stderr: "registryd: registryd version takes no arguments..."},
		{name: "two files", args: []string{"serve", "-c", file, file}, code: exitUsage, stderr: "registryd: registryd serve takes no arguments..."},
		{name: "address taken", args: []string{"--addr", busy, "--data", filepath.Join(t.TempDir(), "none")}, code: exitError,
			stderr: "registryd: " + busy + " (http.addr) is in use by another process; stop that one, or set http.addr to another address\n"},
		{name: "debug address taken", args: quiet(t.TempDir()), env: []string{"REGISTRY_HTTP_DEBUG_ADDR=" + busy}, code: exitError,
			stderr: "registryd: " + busy + " (http.debug.addr) is in use..."},
		{name: "no certificate", args: quiet(t.TempDir()), env: []string{"REGISTRY_HTTP_TLS_CERTIFICATE=/none", "REGISTRY_HTTP_TLS_KEY=/none"}, code: exitError,
			stderr: "registryd: the certificate cannot be used: ..."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := invoke(t, tt.env, tt.args...)
			begin, open := strings.CutSuffix(tt.stderr, "...")
			if code != tt.code || !strings.Contains(stdout, tt.stdout) || !strings.HasPrefix(stderr, begin) || !open && stderr != tt.stderr {
				t.Errorf("exit %d\nstdout: %s\nstderr: %s", code, stdout, stderr)
			}
			if strings.Contains(stdout+stderr, "hunter2") {
				t.Error("the secret shows")
			}
			if tt.code != exitOK && strings.Contains(stderr, "Usage:") {
				t.Errorf("an error comes with the usage: %s", stderr)
			}
		})
	}
}
