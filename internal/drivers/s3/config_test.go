package s3

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		config Config
		says   string // of the error; empty when there is none
	}{
		{"the least", Config{Bucket: "b"}, ""},
		{"no bucket", Config{}, "storage.s3.bucket"},
		{"a key without its secret", Config{Bucket: "b", AccessKey: "a"}, "storage.s3.secretkey"},
		{"a secret without its key", Config{Bucket: "b", SecretKey: "a"}, "storage.s3.accesskey"},
		{"both", Config{Bucket: "b", SecretKey: "a", AccessKey: "b"}, ""},
		{"parts too small", Config{Bucket: "b", ChunkSize: minPart - 1}, "storage.s3.chunksize"},
		{"parts of a negative size", Config{Bucket: "b", ChunkSize: -1}, "storage.s3.chunksize"},
		{"parts too large", Config{Bucket: "b", ChunkSize: maxPart + 1}, "storage.s3.chunksize"},
		{"the smallest parts", Config{Bucket: "b", ChunkSize: minPart, Memory: 2 * minPart}, ""},
		{"the largest parts", Config{Bucket: "b", ChunkSize: maxPart, Memory: 2 * maxPart}, ""},
		{"memory for one part", Config{Bucket: "b", Memory: 2*defaultChunkSize - 1}, "uploads.memory"},
		{"negative memory", Config{Bucket: "b", Memory: -1}, "uploads.memory"},
		{"parts too large for the memory there is", Config{Bucket: "b", ChunkSize: 200 << 20}, "uploads.memory"},
		{"an endpoint by its host", Config{Bucket: "b", RegionEndpoint: "minio:9000"}, ""},
		{"another scheme", Config{Bucket: "b", RegionEndpoint: "ftp://minio"}, "https://host:port"},
		{"no host", Config{Bucket: "b", RegionEndpoint: "https://"}, "https://host:port"},
		{"no URL", Config{Bucket: "b", RegionEndpoint: "http://a b"}, "https://host:port"},
		{"no URL for clients", Config{Bucket: "b", PublicEndpoint: "http://%zz"}, "https://host:port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Open(t.Context(), c.config, Options{})
			switch {
			case c.says == "" && err != nil:
				t.Error(err)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n")):
				t.Errorf("got error %v, want one line with %q", err, c.says)
			}
		})
	}
}

func TestConfigFillsIn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ config, want Config }{
		{
			Config{Bucket: "b"},
			Config{Bucket: "b", Region: "us-east-1", ChunkSize: 16 << 20, Memory: 256 << 20},
		}, {
			Config{Bucket: "b", Region: "r", RegionEndpoint: "minio:9000", PublicEndpoint: "http://x", RootDirectory: "/a/b/", ChunkSize: 8 << 20, Memory: 64 << 20},
			Config{Bucket: "b", Region: "r", RegionEndpoint: "http://minio:9000", PublicEndpoint: "http://x", RootDirectory: "a/b", ChunkSize: 8 << 20, Memory: 64 << 20},
		}, {
			Config{Bucket: "b", Secure: true, RegionEndpoint: "minio", PublicEndpoint: "public:1", RootDirectory: "/"},
			Config{Bucket: "b", Secure: true, RegionEndpoint: "https://minio", PublicEndpoint: "https://public:1", Region: "us-east-1", ChunkSize: 16 << 20, Memory: 256 << 20},
		},
	} {
		if err := c.config.check(); err != nil || c.config != c.want {
			t.Errorf("got %+v and %v, want %+v", c.config, err, c.want)
		}
	}
}

func TestConfigCAFile(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, []byte("not PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, says := range map[string]string{empty: "PEM", empty + ".missing": "cannot be read"} {
		if _, err := Open(t.Context(), Config{Bucket: "b", CAFile: file}, Options{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got error %v, want one with %q", file, err, says)
		}
	}
}
