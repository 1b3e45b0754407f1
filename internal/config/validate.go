package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// validate finds what no single value tells, and values of the right type that cannot work.
func (l *loader) validate(c Config) {
	l.check("version", c.Version == "0.1", "is %q; write 0.1", c.Version)
	l.check("http.addr", validAddr(c.HTTP.Addr), "is %q; write an address and a port, such as 127.0.0.1:5000 or :5000", c.HTTP.Addr)
	l.check("http.debug.addr", c.HTTP.Debug.Addr == "" || validAddr(c.HTTP.Debug.Addr),
		"is %q; write an address and a port, such as 127.0.0.1:5001, or nothing to turn it off", c.HTTP.Debug.Addr)
	l.check("http.debug.addr", !collide(c.HTTP.Addr, c.HTTP.Debug.Addr),
		"is %s, which http.addr (%s) takes already; write another port, or nothing to turn it off", c.HTTP.Debug.Addr, c.HTTP.Addr)
	l.check("http.host", c.HTTP.Host == "" || validHost(c.HTTP.Host),
		"is %q; write the scheme and name that clients use, such as https://registry.example.com", c.HTTP.Host)
	l.check("http.secret", string(c.HTTP.Secret) != mask, "is the mask that config print shows; write the secret itself")
	l.validateSecrets(c.HTTP)
	l.check("http.debug.prometheus.path", strings.HasPrefix(c.HTTP.Debug.Prometheus.Path, "/") && !slices.Contains([]string{"/healthz", "/readyz", "/cluster"}, c.HTTP.Debug.Prometheus.Path),
		"is %q; write a path of its own, such as /metrics", c.HTTP.Debug.Prometheus.Path)
	l.check("http.tls.key", c.HTTP.TLS.Certificate == "" || c.HTTP.TLS.Key != "", "is missing beside http.tls.certificate; name the file of the private key")
	l.check("http.tls.certificate", c.HTTP.TLS.Key == "" || c.HTTP.TLS.Certificate != "", "is missing beside http.tls.key; name the file of the certificate")
	for name, values := range c.HTTP.Headers {
		l.check("http.headers", validHeader(name, values), "has an entry %q that cannot be a header; correct its name or value", name)
	}

	l.check("http.draindelay", c.HTTP.DrainDelay >= 0, "is negative; write how long to go on, such as 10s, or 0s")
	l.check("http.draintimeout", c.HTTP.DrainTimeout >= 0, "is negative; write how long to wait, such as 60s, or 0s")
	l.check("http.timeouts.header", c.HTTP.Timeouts.Header > 0, "must be more than nothing; write a duration such as 10s")
	l.check("http.timeouts.idle", c.HTTP.Timeouts.Idle > 0, "must be more than nothing; write a duration such as 120s")
	l.check("http.timeouts.body", c.HTTP.Timeouts.Body > 0, "must be more than nothing; write a duration such as 60s")

	l.check("storage.filesystem.rootdirectory", c.Storage.Filesystem.RootDirectory != "", "is empty; name a directory, such as ./registry-data")
	s3 := c.Storage.S3
	l.check("storage.s3.bucket", s3.Bucket != "" || s3.RegionEndpoint == "" && s3.AccessKey == "" && s3.SecretKey == "", "is empty; name the bucket, or remove storage.s3")
	l.check("storage.s3.bucket", s3.Bucket == "" || c.Storage.Filesystem == Default().Storage.Filesystem,
		"is set beside storage.filesystem.rootdirectory; remove one of them, since content is kept in one place")
	l.check("storage.s3.secretkey", (s3.AccessKey == "") == (s3.SecretKey == ""), "and storage.s3.accesskey go together; set both, or neither to use the AWS chain")
	l.check("storage.s3.secretkey", string(s3.SecretKey) != mask, "is the mask that config print shows; write the secret itself")
	l.check("storage.s3.chunksize", s3.ChunkSize >= 5<<20 && s3.ChunkSize <= 5<<30, "is %s; write a size from 5MiB to 5GiB", s3.ChunkSize)
	l.check("storage.s3.chunksize", s3.Bucket == "" || 2*s3.ChunkSize <= c.Uploads.Memory, "is %s; write at most half of uploads.memory (%s)", s3.ChunkSize, c.Uploads.Memory)
	l.validateRedis(c.Redis)
	l.validateEndpoints(c.Notifications.Endpoints)
	l.check("cache.memory", c.Cache.Memory >= 1<<20, "is %s; write 1MiB or more, or set cache.enabled to false", c.Cache.Memory)
	l.check("uploads.provider", c.Uploads.Provider != "redis" || len(c.Redis.Addrs) > 0, "is redis, but there is none; set redis.addrs, or uploads.provider to hmac")
	l.check("uploads.ttl", c.Uploads.TTL >= time.Minute && c.Uploads.TTL <= 22*time.Hour, "is %s; write a duration from 1m to 22h, since stores drop what is older than a day", shortDuration(c.Uploads.TTL))
	l.check("uploads.memory", c.Uploads.Memory >= 32<<20, "is %s; write 32MiB or more, or uploads would wait for each other", c.Uploads.Memory)

	if schema1 := c.Compatibility.Schema1; schema1.TrustedKeys != "" && !schema1.Enabled {
		l.warn("compatibility.schema1.trustedkeys has no effect, because compatibility.schema1.enabled is false; set that to true.")
	}
	signers := c.Compatibility.Schema1.Signers
	l.check("compatibility.schema1.signers", signers >= 1 && signers <= 256, "is %d; write a number from 1 to 256", signers)
	m := c.Validation.Manifests
	l.check("validation.manifests.maxsize", m.MaxSize >= 4<<20 && m.MaxSize <= 64<<20, "is %s; write a size from 4MiB, which clients count on, to 64MiB", m.MaxSize)
	list := m.Indexes.Platforms == "list"
	l.check("validation.manifests.indexes.platformlist", !list || len(m.Indexes.PlatformList) > 0,
		"is empty; name the platforms, or set validation.manifests.indexes.platforms to all or none")
	for _, p := range m.Indexes.PlatformList {
		l.check("validation.manifests.indexes.platformlist", p.Architecture != "" && p.OS != "", "has an entry without architecture or os; write both, such as {architecture: amd64, os: linux}")
	}
	if len(m.Indexes.PlatformList) > 0 && !list {
		l.warn("validation.manifests.indexes.platformlist has no effect, because validation.manifests.indexes.platforms is %s; set that to list.", m.Indexes.Platforms)
	}
}

// check notes a problem with a key, and where its value comes from.
func (l *loader) check(path string, ok bool, format string, args ...any) {
	if ok {
		return
	}
	l.wrong(l.origins[path], path, format, args...)
}

// wrong notes a problem; the sentence goes on after what is wrong. where is empty for a default.
func (l *loader) wrong(where, what, format string, args ...any) {
	sentence := fmt.Sprintf("%s "+format+".", append([]any{what}, args...)...)
	if where != "" {
		sentence = where + ": " + sentence
	}
	l.problems = append(l.problems, sentence)
}

func validHeader[V ~string](name string, values []V) bool {
	ok := httpguts.ValidHeaderFieldName(name)
	for _, v := range values {
		ok = ok && httpguts.ValidHeaderFieldValue(string(v))
	}
	return ok
}

func validAddr(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n <= 65535 && !strings.ContainsAny(host, " /@")
}

func validHost(host string) bool {
	u, err := url.Parse(host)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.RawQuery == "" && u.Fragment == "" && u.User == nil && strings.Trim(u.Path, "/") == ""
}

// collide tells whether two listeners cannot both be had.
func collide(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	return errA == nil && errB == nil && portA == portB && portA != "0" && (hostA == hostB || wildcard(hostA) || wildcard(hostB))
}

func wildcard(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

// Loopback tells whether only this machine can reach addr.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
