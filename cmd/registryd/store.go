package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/registryd/registryd/internal/config"
	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/fs"
	"github.com/registryd/registryd/internal/drivers/s3"
	"github.com/registryd/registryd/internal/metrics"
	"github.com/registryd/registryd/internal/storage"
)

// checkTime is how long the store may take to prove itself at the start.
const checkTime = time.Minute

// inBucket says where the content is kept.
func inBucket(c config.Config) bool { return c.Storage.S3.Bucket != "" }

// openStore opens what the configuration names. readOnly may be used beside a server.
func openStore(ctx context.Context, c config.Config, readOnly bool) (drivers.Driver, error) {
	if !inBucket(c) {
		return fs.Open(c.Storage.Filesystem.RootDirectory, fs.Options{ReadOnly: readOnly})
	}
	return openBucket(ctx, c, nil)
}

// reachTime is how long a command waits for a store that does not answer.
const reachTime = 10 * time.Second

// reachStore opens a store for a command that asks much of it, and that would try each request for long if the store were away.
func reachStore(ctx context.Context, c config.Config, readOnly bool) (drivers.Driver, error) {
	store, err := openStore(ctx, c, readOnly)
	if err != nil {
		return nil, err
	}
	if bucket, ok := store.(*s3.Driver); ok {
		ctx, cancel := context.WithTimeout(ctx, reachTime)
		defer cancel()
		if err := bucket.Reach(ctx); err != nil {
			return nil, errors.Join(err, store.Close())
		}
	}
	return store, nil
}

func openBucket(ctx context.Context, c config.Config, transport func(http.RoundTripper) http.RoundTripper) (*s3.Driver, error) {
	o := c.Storage.S3
	return s3.Open(ctx, s3.Config{
		Bucket: o.Bucket, Region: o.Region, RegionEndpoint: o.RegionEndpoint, PublicEndpoint: o.PublicEndpoint,
		AccessKey: o.AccessKey, SecretKey: string(o.SecretKey.Reveal()), SessionToken: string(o.SessionToken.Reveal()),
		RootDirectory: o.RootDirectory, ForcePathStyle: o.ForcePathStyle, Secure: o.Secure, SkipVerify: o.SkipVerify, CAFile: o.CAFile,
		Encrypt: o.Encrypt, KeyID: o.KeyID, StorageClass: o.StorageClass, ChunkSize: int64(o.ChunkSize), UniformParts: o.UniformParts,
		Accelerate: o.Accelerate, UseDualStack: o.UseDualStack, UseFIPS: o.UseFIPS, UserAgent: o.UserAgent, Memory: int64(c.Uploads.Memory),
	}, s3.Options{Transport: transport})
}

// uploadMemory gives the figures of the memory that uploads share; in a directory they share none.
func uploadMemory(store drivers.Driver) func() metrics.MemoryStats {
	bucket, ok := store.(*s3.Driver)
	if !ok {
		return func() metrics.MemoryStats { return metrics.MemoryStats{} }
	}
	return func() metrics.MemoryStats { return metrics.MemoryStats(bucket.MemoryStats()) }
}

// proveStore refuses a store that a node could not work with. A node that shall write nothing only asks whether it answers.
func proveStore(ctx context.Context, store drivers.Driver, readOnly bool) error {
	bucket, ok := store.(*s3.Driver)
	if !ok {
		return nil // fs.Open has proved its directory
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	if readOnly {
		return bucket.Reach(ctx)
	}
	var failed []error
	for _, finding := range bucket.Check(ctx, storage.CheckFolder) {
		if finding.Err != nil {
			failed = append(failed, fmt.Errorf("the store will not do (%s): %w", finding.What, finding.Err))
		}
	}
	return errors.Join(failed...)
}
