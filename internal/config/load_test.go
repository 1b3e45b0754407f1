package config

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// from loads a configuration from the text of a file and an environment.
func from(t *testing.T, file string, env ...string) (Loaded, error) {
	t.Helper()
	src := Sources{Env: env}
	if file != "" {
		src.File = written(t, file)
	}
	return Load(src)
}

// written gives the name of a configuration file with that text.
func written(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestDefaultsGolden(t *testing.T) {
	c, err := Load(Sources{})
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := c.Print(&got); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "defaults.yml")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("config print differs from %s (run go test -update if that is meant):\n%s", golden, got.Bytes())
	}
	if again, err := Load(Sources{File: golden}); err != nil {
		t.Errorf("what config print writes does not load: %v", err)
	} else if len(again.Origins) == 0 || again.HTTP.Addr != c.HTTP.Addr || again.Uploads != c.Uploads {
		t.Errorf("what config print writes loads as something else: %+v", again)
	}
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(file, []byte("http:\n  addr: :1\n  host: https://file.example\nlog:\n  level: warn\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(Sources{
		File:  file,
		Env:   []string{"REGISTRY_HTTP_ADDR=:2", "REGISTRY_LOG_LEVEL=error"},
		Flags: []Flag{{Name: "--addr", Key: "http.addr", Value: ":3"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.HTTP.Addr != ":3" || c.Log.Level != "error" || c.HTTP.Host != "https://file.example" || c.HTTP.DrainTimeout != time.Minute {
		t.Errorf("got %+v", c.Config)
	}
	if c.HTTP.RelativeURLs {
		t.Error("http.host is set, yet Locations stay relative")
	}
	want := map[string]string{"http.addr": "--addr", "log.level": "REGISTRY_LOG_LEVEL", "http.host": "config.yml, line 3"}
	for key, where := range want {
		if c.Origins[key] != where {
			t.Errorf("%s comes from %q, want %q", key, c.Origins[key], where)
		}
	}
}

func TestDistributionFilesWork(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"distribution-example.yml", "distribution-debug.yml"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := Load(Sources{File: filepath.Join("testdata", name)})
			if err != nil {
				t.Fatal(err)
			}
			if c.HTTP.Addr != ":5000" || c.Storage.Filesystem.RootDirectory != "/var/lib/registry" || c.Log.Fields["service"] != "registry" ||
				len(c.HTTP.Headers["X-Content-Type-Options"]) != 1 || c.HTTP.Headers["X-Content-Type-Options"][0] != "nosniff" {
				t.Errorf("got %+v", c.Config)
			}
			for _, key := range []string{"health has no effect", "storage.cache has no effect"} {
				if n := strings.Count(strings.Join(c.Warnings, "\n"), key); n != 1 {
					t.Errorf("%d warnings that %s, want 1: %q", n, key, c.Warnings)
				}
			}
		})
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := from(t, "http:\n  adr: :5000\n  draintimeout: 60\nlog: {level: loud}\nstorage:\n  delete:\n    enabled: maybe\n",
		"REGISTRY_HTTP_TIMEOUT_BODY=1s", "REGISTRY_UPLOADS_TTL=48h")
	var problems *Error
	if !errors.As(err, &problems) {
		t.Fatalf("got %v", err)
	}
	want := []string{
		`config.yml, line 2: there is no key http.adr; write the nearest one, http.addr, or remove it.`,
		`config.yml, line 3: http.draintimeout is "60", which is no duration; write one with its unit, such as 90s, 5m or 12h.`,
		`config.yml, line 4: log.level is "loud"; write one of debug, info, warn, error.`,
		`config.yml, line 7: storage.delete.enabled is "maybe"; write true or false.`,
		`REGISTRY_HTTP_TIMEOUT_BODY: there is no key http.timeout.body; write the nearest one, http.timeouts.body (REGISTRY_HTTP_TIMEOUTS_BODY), or remove it.`,
		`REGISTRY_UPLOADS_TTL: uploads.ttl is 48h; write a duration from 1m to 22h, since stores drop what is older than a day.`,
	}
	if got := strings.Join(problems.Problems, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{filepath.Join(t.TempDir(), "none.yml"): "does not exist", t.TempDir(): "is a directory"} {
		if _, err := Load(Sources{File: name}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want one that says it %s", name, err, want)
		}
	}
}
