package teststore

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// The credentials of every store here.
const (
	AccessKey = "registryd"
	SecretKey = "registryd-secret"
	Region    = "us-east-1"
)

// S3 is a store with an empty bucket of the test's own.
type S3 struct {
	Endpoint string
	Bucket   string
}

var sharedMinIO, sharedVersity shared

// MinIO gives a bucket of a MinIO that all tests of the process share.
func MinIO(t testing.TB) S3 {
	t.Helper()
	return bucket(t, sharedMinIO.get(t, StartMinIO))
}

// VersityGW gives a bucket of a versitygw over a folder that all tests of the process share.
func VersityGW(t testing.TB) S3 {
	t.Helper()
	return bucket(t, sharedVersity.get(t, StartVersityGW))
}

// StartMinIO runs a MinIO of its own, for tests that harm it. Its data is gone with the temporary folder.
func StartMinIO() (*Process, error) {
	path, err := minio.find()
	if err != nil {
		return nil, err
	}
	dir, err := tempDir("minio")
	if err != nil {
		return nil, err
	}
	return StartMinIOAt(path, dir)
}

// StartMinIOAt runs MinIO over a folder.
func StartMinIOAt(path, dir string) (*Process, error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	return start(addr, answers("http://"+addr+"/minio/health/ready", http.StatusOK), path,
		[]string{"server", "--quiet", "--address", addr, "--console-address", "127.0.0.1:0", dir},
		[]string{"MINIO_ROOT_USER=" + AccessKey, "MINIO_ROOT_PASSWORD=" + SecretKey, "MINIO_BROWSER=off", "MINIO_UPDATE=off", "MINIO_CALLHOME_ENABLE=off"})
}

// StartVersityGW runs a versitygw of its own.
func StartVersityGW() (*Process, error) {
	path, err := versitygw.find()
	if err != nil {
		return nil, err
	}
	dir, err := tempDir("versitygw")
	if err != nil {
		return nil, err
	}
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	return start(addr, answers("http://"+addr+"/", http.StatusForbidden, http.StatusOK, http.StatusBadRequest, http.StatusUnauthorized), path,
		[]string{"--access", AccessKey, "--secret", SecretKey, "--port", addr, "--region", Region, "--quiet", "posix", dir}, nil)
}

func bucket(t testing.TB, p *Process) S3 {
	t.Helper()
	store := S3{Endpoint: "http://" + p.Addr, Bucket: "test-" + strings.ToLower(rand.Text())}
	if _, err := store.Client().CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: &store.Bucket}); err != nil {
		t.Fatalf("make a bucket: %v\n%s", err, p.log)
	}
	return store
}

// Client is a bare SDK client, for what a test does behind the driver's back.
func (s S3) Client() *s3.Client {
	return s3.New(s3.Options{
		Region: Region, BaseEndpoint: aws.String(s.Endpoint), UsePathStyle: true, RetryMaxAttempts: 10,
		Credentials:                credentials.NewStaticCredentialsProvider(AccessKey, SecretKey, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired, ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})
}
