//go:build stores

package faults_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/drivers/s3"
	"github.com/registryd/registryd/internal/storage"
	"github.com/registryd/registryd/internal/teststore"
)

// aDay is longer than anything abandoned is kept.
const aDay = 25 * time.Hour

// swept cleans up as a day later, and fails if anything is left that nothing acknowledged needs.
func swept(t *testing.T, store teststore.S3, d *s3.Driver) {
	t.Helper()
	later := storage.New(drivertest.NewLater(d, aDay), storage.Options{Now: func() time.Time { return time.Now().Add(aDay) }})
	cleaned, err := later.NewJanitor().Run(t.Context(), storage.JanitorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("janitor: %+v", cleaned)
	sound(t, d, aDay, storage.FsckOptions{Prune: true})
	for _, f := range sound(t, d, aDay, storage.FsckOptions{}) {
		if strings.Contains(f.Key, "/journal/") { // which no process looks after here
			continue
		}
		t.Errorf("%s is left: %s %s", f.Key, f.Severity, f.Message)
	}
	for _, key := range multiparts(t, store) {
		t.Errorf("a multipart upload is left at %s", key)
	}
}

// multiparts are the keys of the multipart uploads that the store knows.
func multiparts(t *testing.T, store teststore.S3) (keys []string) {
	t.Helper()
	out, err := store.Client().ListMultipartUploads(t.Context(), &sdk.ListMultipartUploadsInput{Bucket: &store.Bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range out.Uploads {
		keys = append(keys, aws.ToString(u.Key))
	}
	return keys
}
