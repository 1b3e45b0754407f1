package s3

import (
	"fmt"
	"net/url"
	"strings"
)

// Sizes, in bytes. The smallest part is what S3 takes for any part but the last.
const (
	minPart          = 5 << 20
	maxPart          = 5 << 30
	defaultChunkSize = 16 << 20
	defaultMemory    = 256 << 20
)

// Config says which bucket, and how to talk to it. Its fields are the keys of CNCF Distribution's storage.s3.
type Config struct {
	Bucket         string
	Region         string // default us-east-1
	RegionEndpoint string // URL or host of a store that is not AWS; empty for AWS
	AccessKey      string // with SecretKey; empty takes the SDK's chain: environment, profile, web identity, instance role
	SecretKey      string
	SessionToken   string
	RootDirectory  string // folder of the bucket that holds everything
	ForcePathStyle bool   // bucket in the path, not in the host
	Secure         bool   // https where RegionEndpoint names no scheme
	SkipVerify     bool   // takes any certificate
	CAFile         string // PEM file of further certificate authorities
	Encrypt        bool   // server-side encryption: AES256, or aws:kms with KeyID
	KeyID          string
	StorageClass   string
	ChunkSize      int64  // bytes of a part; 16 MiB
	UniformParts   bool   // all parts of one size but the last, as Cloudflare R2 wants them
	Memory         int64  // bytes that all uploads of this process may hold together; 256 MiB
	PublicEndpoint string // RegionEndpoint as clients reach it, for presigned URLs
	UserAgent      string
	Accelerate     bool // AWS transfer acceleration
	UseDualStack   bool // AWS endpoints with IPv6
	UseFIPS        bool // AWS endpoints that are FIPS 140 validated
}

// check fills in what is not set and says what cannot be.
func (c *Config) check() error {
	if c.Bucket == "" {
		return fmt.Errorf("no bucket is named, set storage.s3.bucket")
	}
	if (c.AccessKey == "") != (c.SecretKey == "") {
		return fmt.Errorf("storage.s3.accesskey and storage.s3.secretkey go together, set both or neither")
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if c.ChunkSize == 0 {
		c.ChunkSize = defaultChunkSize
	}
	if c.ChunkSize < minPart || c.ChunkSize > maxPart {
		return fmt.Errorf("storage.s3.chunksize is %d bytes, set it to something from %d to %d", c.ChunkSize, int64(minPart), int64(maxPart))
	}
	if c.Memory == 0 {
		c.Memory = defaultMemory
	}
	if c.Memory < 2*c.ChunkSize {
		return fmt.Errorf("uploads.memory is %d bytes, set it to at least two parts of storage.s3.chunksize (%d)", c.Memory, c.ChunkSize)
	}
	c.RootDirectory = strings.Trim(c.RootDirectory, "/")
	for _, endpoint := range []*string{&c.RegionEndpoint, &c.PublicEndpoint} {
		if *endpoint == "" {
			continue
		}
		if !strings.Contains(*endpoint, "://") {
			scheme := "http://"
			if c.Secure {
				scheme = "https://"
			}
			*endpoint = scheme + *endpoint
		}
		if u, err := url.Parse(*endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("the endpoint %q is not a URL, write it as https://host:port", *endpoint)
		}
	}
	return nil
}
