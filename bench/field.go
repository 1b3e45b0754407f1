package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/teststore"
	"github.com/registryd/registryd/test/node"
)

// enter starts MinIO and all that is to be compared on it. stop is never nil.
func enter(ctx context.Context, dir string) (field []contestant, stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, s := range stops {
			s()
		}
	}
	minio, err := teststore.StartMinIO()
	if err != nil {
		return nil, stop, err
	}
	stops = append(stops, minio.Stop)
	client, err := sdk(ctx, "http://"+minio.Addr)
	if err != nil {
		return nil, stop, err
	}
	stores := map[string]teststore.S3{}
	for _, bucket := range []string{"bare", "registryd", "distribution"} {
		if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
			return nil, stop, fmt.Errorf("make the bucket %s: %w", bucket, err)
		}
		stores[bucket] = teststore.S3{Endpoint: "http://" + minio.Addr, Bucket: bucket}
	}
	program, err := node.Build(ctx, dir)
	if err != nil {
		return nil, stop, err
	}
	ours, err := node.Start(program, node.Bucket(stores["registryd"], stores["registryd"].Endpoint)...)
	if err != nil {
		return nil, stop, err
	}
	stops = append(stops, ours.Kill)
	field = []contestant{
		{"bare", barePut(client), clearing(client, "bare", "")},
		{"bare unsigned", barePut(client, unsigned), clearing(client, "bare", "")},
		{"registryd", dockerPush(ours.URL), clearing(client, "registryd", "docker/registry/v2/")},
	}
	theirs, err := distribution()
	if err != nil {
		return nil, stop, err
	}
	url, kill, err := startDistribution(theirs, dir, stores["distribution"])
	if err != nil {
		return nil, stop, err
	}
	stops = append(stops, kill)
	field = append(field, contestant{"CNCF Distribution", dockerPush(url), clearing(client, "distribution", "")})
	return field, stop, nil
}

// sdk is a client as the SDK comes.
func sdk(ctx context.Context, endpoint string) (*s3.Client, error) {
	config, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(teststore.Region),
		awsconfig.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(teststore.AccessKey, teststore.SecretKey, "")))
	if err != nil {
		return nil, err
	}
	return s3.NewFromConfig(config, func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = aws.String(endpoint), true }), nil
}

func barePut(client *s3.Client, options ...func(*s3.Options)) func(context.Context, []byte, digest.Digest) error {
	return func(ctx context.Context, blob []byte, _ digest.Digest) error {
		in := &s3.PutObjectInput{Bucket: aws.String("bare"), Key: aws.String(rand.Text()), Body: bytes.NewReader(blob)}
		_, err := client.PutObject(ctx, in, options...)
		return err
	}
}

// unsigned leaves out all that the SDK computes over a body: nobody can be faster over one connection.
func unsigned(o *s3.Options) {
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
}

// clearing empties a bucket below a prefix.
func clearing(client *s3.Client, bucket, prefix string) func(context.Context) error {
	return func(ctx context.Context) error {
		pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil || len(page.Contents) == 0 {
				return err
			}
			gone := &types.Delete{}
			for _, object := range page.Contents {
				gone.Objects = append(gone.Objects, types.ObjectIdentifier{Key: object.Key})
			}
			if _, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bucket, Delete: gone}); err != nil {
				return err
			}
		}
		return nil
	}
}

// distribution is CNCF Distribution's binary.
func distribution() (string, error) {
	if path := os.Getenv("DISTRIBUTION"); path != "" {
		return path, nil
	}
	tools, err := teststore.Build()
	if err != nil {
		return "", err
	}
	return tools[slices.IndexFunc(tools, func(path string) bool { return filepath.Base(path) == "registry" })], nil
}

const distributionConfig = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  s3: {bucket: %s, region: %s, regionendpoint: "%s", accesskey: %s, secretkey: %s, forcepathstyle: true, secure: false}
  redirect: {disable: true}
http: {addr: "%s", secret: "a secret"}
`

func startDistribution(program, dir string, store teststore.S3) (url string, kill func(), err error) {
	addr, err := teststore.FreeAddr()
	if err != nil {
		return "", nil, err
	}
	file := filepath.Join(dir, "distribution.yml")
	text := fmt.Sprintf(distributionConfig, store.Bucket, teststore.Region, store.Endpoint, teststore.AccessKey, teststore.SecretKey, addr)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", nil, err
	}
	cmd := exec.Command(program, "serve", file)
	cmd.Env = []string{"OTEL_TRACES_EXPORTER=none"}
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	kill = func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	for range 100 {
		if response, err := http.Get("http://" + addr + "/v2/"); err == nil {
			response.Body.Close()
			return "http://" + addr, kill, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	kill()
	return "", nil, errors.New("CNCF Distribution does not start: " + log.String())
}
