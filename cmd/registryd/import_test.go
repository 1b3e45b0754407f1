package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// writeDistribution writes one image as CNCF Distribution does; test/legacy runs the real one.
func writeDistribution(t *testing.T, root string) {
	t.Helper()
	put := func(name, content string) {
		path := filepath.Join(root, "docker/registry/v2", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	blob := func(content string) digest.Digest {
		d := digest.FromString(content)
		put("blobs/sha256/"+d.Encoded()[:2]+"/"+d.Encoded()+"/data", content)
		return d
	}
	config := blob("{}")
	manifest := blob(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":` +
		`{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + config.String() + `","size":2},"layers":[]}`)
	put("repositories/some/app/_layers/sha256/"+config.Encoded()+"/link", config.String())
	put("repositories/some/app/_manifests/revisions/sha256/"+manifest.Encoded()+"/link", manifest.String())
	put("repositories/some/app/_manifests/tags/v1/current/link", manifest.String())
}

func TestImport(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	writeDistribution(t, data)
	for _, tt := range []struct{ args, stdout string }{
		{"storage import-distribution --dry-run", "There are left to bring over 1 repositories, 1 manifests, 1 tags, and 2 blobs with 248 B"},
		{"storage import-distribution --dry-run", "There are left to bring over 1 repositories"},
		{"storage import-distribution", "Brought over 1 repositories, 1 manifests, 1 tags, and 1 blobs with 2 B"},
		{"storage import-distribution", "Brought over 0 repositories, 0 manifests, 0 tags, and 0 blobs with 0 B"},
		{"storage import-distribution --dry-run", "There are left to bring over 0 repositories"},
		{"fsck --deep", "1 repositories, 1 manifests, 1 tags, 2 blobs"},
	} {
		code, stdout, stderr := invoke(t, quietEnv, append(strings.Fields(tt.args), "--data", data)...)
		if code != exitOK || !strings.Contains(stdout, tt.stdout) {
			t.Errorf("%s: exit %d\nstdout: %s\nstderr: %s", tt.args, code, stdout, stderr)
		}
	}
}

// What CNCF Distribution writes when all was brought over is not brought over, and people are told of it, name by name.
func TestImportAgain(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	writeDistribution(t, data)
	if code, _, stderr := invoke(t, quietEnv, "storage", "import-distribution", "--data", data); code != exitOK {
		t.Fatal(stderr)
	}
	root := filepath.Join(data, "docker/registry/v2/repositories")
	err := os.CopyFS(filepath.Join(root, "other"), os.DirFS(filepath.Join(root, "some/app")))
	if err := errors.Join(err, os.RemoveAll(filepath.Join(root, "other/_tags"))); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"storage import-distribution --dry-run", "storage import-distribution"} {
		code, stdout, stderr := invoke(t, quietEnv, append(strings.Fields(args), "--data", data)...)
		if lines := strings.Split(stdout, "\n"); code != exitError || len(lines) != 3 || lines[0] != "other:v1" || !strings.HasPrefix(lines[1], "other@sha256:") {
			t.Errorf("%s: exit %d, and it printed %q", args, code, stdout)
		}
		if !strings.Contains(stderr, "1 tags, 1 manifests and 0 blobs are not served as they stand there: other:v1; copy them") {
			t.Errorf("%s said %s", args, stderr)
		}
	}
}

func TestServeImports(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	writeDistribution(t, data)
	n, stop := start(t, quietEnv, quiet(data)...)
	if status, body := fetch(t, "http://"+n.addr+"/v2/some/app/manifests/v1"); status != 200 || !strings.Contains(body, "schemaVersion") {
		t.Errorf("%d: %s", status, body)
	}
	n.until(t, "the store was written by CNCF Distribution")
	n.until(t, "all that CNCF Distribution wrote has been brought over")
	if status, body := fetch(t, "http://"+n.addr+"/v2/_catalog"); status != 200 || !strings.Contains(body, "some/app") {
		t.Errorf("%d: %s", status, body)
	}
	if code := stop(); code != exitOK {
		t.Errorf("exit %d", code)
	}
	again, _ := start(t, quietEnv, quiet(data)...)
	if status, _ := fetch(t, "http://"+again.addr+"/v2/some/app/manifests/v1"); status != 200 {
		t.Errorf("after another start: %d", status)
	}
}
