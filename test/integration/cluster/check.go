package cluster

import (
	"context"
	"testing"

	"github.com/registryd/registryd/internal/drivers/s3"
	"github.com/registryd/registryd/internal/storage"
	"github.com/registryd/registryd/internal/teststore"
)

// Check reads the whole store, every byte of it, and fails the test on any damage. It goes past the nodes, which may run meanwhile. It gives what it
// saw and what it found; leftovers of uploads that were given up are no fault.
func (c *Cluster) Check(t testing.TB) (storage.FsckSummary, []storage.Finding) {
	t.Helper()
	driver, err := s3.Open(context.Background(), s3.Config{
		Bucket: c.Store.Bucket, Region: teststore.Region, RegionEndpoint: c.Store.Endpoint, ForcePathStyle: true,
		AccessKey: teststore.AccessKey, SecretKey: teststore.SecretKey,
	}, s3.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer driver.Close()
	var found []storage.Finding
	summary, err := storage.New(driver, storage.Options{}).Fsck(context.Background(), storage.FsckOptions{Deep: true, Finding: func(f storage.Finding) {
		found = append(found, f)
		if f.Severity == storage.Damage {
			t.Errorf("damage at %s: %s", f.Key, f.Message)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	return summary, found
}
