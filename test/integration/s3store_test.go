//go:build stores

package integration_test

import (
	"testing"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/s3"
	"github.com/registryd/registryd/internal/teststore"
)

func init() {
	stores = append(stores, store{"s3", func(t *testing.T) drivers.Driver { return openS3(t, teststore.MinIO(t), s3.Options{}) }})
}

// openS3 opens a bucket.
func openS3(t *testing.T, bucket teststore.S3, opts s3.Options) drivers.Driver {
	t.Helper()
	driver, err := s3.Open(t.Context(), s3.Config{
		Bucket: bucket.Bucket, Region: teststore.Region, RegionEndpoint: bucket.Endpoint, ForcePathStyle: true,
		AccessKey: teststore.AccessKey, SecretKey: teststore.SecretKey,
	}, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = driver.Close() })
	return driver
}
