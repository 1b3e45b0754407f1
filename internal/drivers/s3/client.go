package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Bounds of a request. A store that takes longer than stallTimeout to move a byte is given up on, so that no request hangs however large it is.
const (
	attempts     = 5
	maxBackoff   = 3 * time.Second
	dialTimeout  = 5 * time.Second
	stallTimeout = 30 * time.Second
	smallTimeout = 60 * time.Second // for all attempts at a request without a long body
)

// newClient makes an SDK client. wrap, if not nil, stands around its transport.
func newClient(ctx context.Context, c Config, wrap func(http.RoundTripper) http.RoundTripper) (*s3.Client, error) {
	transport, err := newTransport(c)
	if err != nil {
		return nil, err
	}
	var rt http.RoundTripper = transport
	if wrap != nil {
		rt = wrap(rt)
	}
	options := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithRegion(c.Region),
		awsconfig.WithHTTPClient(&http.Client{Transport: rt}),
		awsconfig.WithRetryer(newRetryer),
		awsconfig.WithAppID("registryd"),
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
		o.UsePathStyle = c.ForcePathStyle
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
func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.MaxBackoff = maxBackoff
		o.Retryables = append(o.Retryables, retry.RetryableErrorCode{Codes: map[string]struct{}{
			"ConditionalRequestConflict": {}, "SlowDownRead": {}, "SlowDownWrite": {}, "OperationAborted": {},
			"XMinioServerNotInitialized": {}, "ServerBusy": {},
		}})
	})
}

func newTransport(c Config) (*http.Transport, error) {
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
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("the CA file of storage.s3 cannot be read: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the CA file %s holds no certificate in PEM form, name another one", c.CAFile)
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	return transport, nil
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
