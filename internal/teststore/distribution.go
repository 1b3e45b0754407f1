package teststore

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// DistributionInDirectory runs a CNCF Distribution over a folder until the test ends, or is told to.
func DistributionInDirectory(t testing.TB, dir string) *Process {
	t.Helper()
	return startDistribution(t, "  filesystem:\n    rootdirectory: "+dir+"\n")
}

// DistributionInBucket runs a CNCF Distribution over a bucket.
func DistributionInBucket(t testing.TB, s S3) *Process {
	t.Helper()
	return startDistribution(t, strings.Join([]string{
		"  s3:", "bucket: " + s.Bucket, "region: " + Region, "regionendpoint: " + s.Endpoint, "accesskey: " + AccessKey, "secretkey: " + SecretKey,
		"forcepathstyle: true", "secure: false", "",
	}, "\n    "))
}

func startDistribution(t testing.TB, storage string) *Process {
	t.Helper()
	path, err := distribution.find()
	if err != nil {
		t.Fatal(err)
	}
	addr, err := FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "config.yml")
	text := "version: 0.1\nlog:\n  level: error\nstorage:\n" + strings.TrimRight(storage, " ") + "  delete:\n    enabled: true\nhttp:\n  addr: " + addr + "\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := start(addr, answers("http://"+addr+"/v2/", http.StatusOK), path, []string{"serve", config}, []string{"OTEL_TRACES_EXPORTER=none"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}
