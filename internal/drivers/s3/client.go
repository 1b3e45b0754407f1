package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/registryd/registryd/internal/drivers"
)

// Bounds of a request. A store that takes longer than stallTimeout to move a byte is given up on, so that no request hangs however large it is.
const (
	attempts     = 5
	maxBackoff   = 3 * time.Second
	dialTimeout  = 5 * time.Second
	stallTimeout = 30 * time.Second
	smallTimeout = 60 * time.Second // for all attempts at a request without a long body
)

func newClient(ctx context.Context, c Config, opts Options) (*s3.Client, error) {
	transport, err := newTransport(c)
	if err != nil {
		return nil, err
	}
	var rt http.RoundTripper = transport
	if opts.Transport != nil {
		rt = opts.Transport(rt)
	}
	options := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithRegion(c.Region),
		awsconfig.WithRetryer(func() aws.Retryer { return newRetryer(opts.MaxBackoff) }),
		awsconfig.WithAppID("registryd"),
		awsconfig.WithLogger(logging.Nop{}), // what matters comes back as an error
		// Checksums beyond what an operation demands are not understood everywhere; bytes are hashed before they are committed.
		awsconfig.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		awsconfig.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
	}
	if c.AccessKey != "" {
		options = append(options, awsconfig.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey, c.SessionToken)))
	}
	loaded, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("the credentials or settings for S3 cannot be loaded, check storage.s3 and the AWS environment: %w", err)
	}
	return s3.NewFromConfig(loaded, func(o *s3.Options) {
		o.HTTPClient = &http.Client{Transport: attemptCounter{rt}}
		o.UsePathStyle = c.ForcePathStyle
		o.UseAccelerate = c.Accelerate
		if c.UseDualStack {
			o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled
		}
		if c.UseFIPS {
			o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled
		}
		if c.RegionEndpoint != "" {
			o.BaseEndpoint = aws.String(c.RegionEndpoint)
		}
		o.DisableLogOutputChecksumValidationSkipped = true
		if c.UserAgent != "" {
			o.APIOptions = append(o.APIOptions, smithyhttp.AddHeaderValue("User-Agent", c.UserAgent))
		}
	}), nil
}

// newRetryer tries again, with jittered backoff, while a budget common to all requests of the client lasts.
func newRetryer(maxBackoff time.Duration) aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.MaxBackoff = maxBackoff
		// A body that cannot be read, because its tail is gone with the upload, will not be there at the next attempt either.
		o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			if errors.Is(err, drivers.ErrNotFound) {
				return aws.FalseTernary
			}
			return aws.UnknownTernary
		})}, o.Retryables...)
		o.Retryables = append(o.Retryables, retry.IsErrorRetryableFunc(brokeOff), retry.RetryableErrorCode{Codes: map[string]struct{}{
			"ConditionalRequestConflict": {}, "SlowDownRead": {}, "SlowDownWrite": {}, "OperationAborted": {},
			"XMinioServerNotInitialized": {}, "ServerBusy": {}, "ExistingObjectIsDirectory": {}, // versitygw, while a folder is being removed
		}})
	})
}

// brokeOff: the answer was cut off while it was read. The SDK calls that a malformed one, and would not try again.
func brokeOff(err error) aws.Ternary {
	if errors.As(err, new(*smithy.DeserializationError)) {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}

func newTransport(c Config) (_ *http.Transport, err error) {
	dialer := &net.Dialer{Timeout: dialTimeout}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &movingConn{conn}, nil
		},
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       60 * time.Second,
		TLSHandshakeTimeout:   dialTimeout,
		ExpectContinueTimeout: time.Second,
		ResponseHeaderTimeout: stallTimeout,
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        64 << 10,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.SkipVerify},
		DisableCompression:    true,
	}
	transport.TLSClientConfig.RootCAs, err = authorities(c.CAFile, os.Getenv("AWS_CA_BUNDLE"))
	return transport, err
}

// authorities are the system's and those of the files that are named; nil, which means the system's, when none is.
func authorities(files ...string) (*x509.CertPool, error) {
	var pool *x509.CertPool
	for _, file := range files {
		if file == "" {
			continue
		}
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("the CA file for S3 cannot be read: %w", err)
		}
		if pool == nil {
			if pool, err = x509.SystemCertPool(); err != nil {
				pool = x509.NewCertPool()
			}
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the CA file %s holds no certificate in PEM form, name another one", file)
		}
	}
	return pool, nil
}

// movingConn fails when a Write moves nothing for too long. Reads are bounded by the transport, and by movingBody once the headers are there.
type movingConn struct{ net.Conn }

func (c *movingConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(stallTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// unsignedPayload spares a hash over every body: over TLS it would prove nothing more, and without TLS whoever can change a body can read it too.
func unsignedPayload(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
}

// withContentMD5 is for stores that know no newer checksum than the one S3 began with.
func withContentMD5(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return smithyhttp.AddContentChecksumMiddleware(stack)
	})
}

// countAttempts makes a context that counts how often its request was sent.
func countAttempts(ctx context.Context) (context.Context, *atomic.Int32) {
	tries := new(atomic.Int32)
	return context.WithValue(ctx, triesKey{}, tries), tries
}

type triesKey struct{}

type attemptCounter struct{ next http.RoundTripper }

func (c attemptCounter) RoundTrip(r *http.Request) (*http.Response, error) {
	if tries, ok := r.Context().Value(triesKey{}).(*atomic.Int32); ok {
		tries.Add(1)
	}
	return c.next.RoundTrip(r)
}
