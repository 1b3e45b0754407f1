package s3

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/registryd/registryd/internal/drivers"
)

// Driver keeps objects in a bucket. See the package comment.
type Driver struct {
	config Config
	client *s3.Client
	prefix string // of every key in the bucket: empty, or ends in a slash
	memory *budget

	presign *s3.PresignClient // with the endpoint that clients know
}

var _ drivers.Driver = (*Driver)(nil)

// Options of Open are for tests and instrumentation.
type Options struct {
	// Transport, if set, stands around the HTTP transport: to count, to measure, to break things.
	Transport func(http.RoundTripper) http.RoundTripper

	MaxBackoff    time.Duration // between two attempts at a request; 3s
	MemoryTimeout time.Duration // how long an upload waits for memory; 30s
}

// Open makes a driver. It talks to nobody yet but, perhaps, whoever gives credentials: see Check.
func Open(ctx context.Context, config Config, opts Options) (*Driver, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	if opts.MaxBackoff == 0 {
		opts.MaxBackoff = maxBackoff
	}
	if opts.MemoryTimeout == 0 {
		opts.MemoryTimeout = memoryTimeout
	}
	client, err := newClient(ctx, config, opts)
	if err != nil {
		return nil, err
	}
	d := &Driver{config: config, client: client, memory: newBudget(config.Memory, opts.MemoryTimeout)}
	public := s3.New(client.Options(), func(o *s3.Options) {
		if config.PublicEndpoint != "" {
			o.BaseEndpoint = &config.PublicEndpoint
		}
	})
	d.presign = s3.NewPresignClient(public)
	if config.RootDirectory != "" {
		d.prefix = config.RootDirectory + "/"
	}
	return d, nil
}

// Ping asks for the bucket.
func (d *Driver) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, smallTimeout)
	defer cancel()
	_, err := d.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &d.config.Bucket})
	return explain(ctx, "ask for the bucket", d.config.Bucket, err)
}

// Close drops idle connections.
func (d *Driver) Close() error {
	if client, ok := d.client.Options().HTTPClient.(*http.Client); ok {
		client.CloseIdleConnections()
	}
	return nil
}

// at is where a key stands in the bucket; key is its inverse.
func (d *Driver) at(key string) *string      { return aws.String(d.prefix + key) }
func (d *Driver) key(inBucket string) string { return strings.TrimPrefix(inBucket, d.prefix) }
