//go:build stores

package redisconn

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority makes certificates for 127.0.0.1, and gives the names of their files.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.issue(t, "ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// issue writes name.crt and name.key; the first certificate signs itself.
func (a *authority) issue(t *testing.T, name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.Subject = pkix.Name{CommonName: name}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".crt": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(a.file(file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func TestTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.issue(t, "server", &x509.Certificate{})
	a.issue(t, "client", &x509.Certificate{})
	secured := func(clients string) string {
		return server(t, "--port", "0", "--tls-port", "{port}", "--tls-cert-file", a.file("server.crt"), "--tls-key-file", a.file("server.key"),
			"--tls-ca-cert-file", a.file("ca.crt"), "--tls-auth-clients", clients).Addr
	}
	serverOnly, mutual := secured("no"), secured("yes")
	roots := []string{a.file("ca.crt")}
	both := TLS{RootCAs: roots, Certificate: a.file("client.crt"), Key: a.file("client.key")}
	for _, tt := range []struct {
		name, addr string
		tls        TLS
		wrong      string // what the log says if it cannot work
	}{
		{"own roots", serverOnly, TLS{RootCAs: roots}, ""},
		{"a client certificate", mutual, both, ""},
		{"no client certificate", mutual, TLS{RootCAs: roots}, "Redis is away"}, // a server that hangs up does not always get to say why
		{"the system's roots", serverOnly, TLS{Enabled: true}, "redis.tls"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, logs := open(t, Config{Addrs: []string{tt.addr}, TLS: tt.tls})
			if tt.wrong == "" {
				works(t, c)
				return
			}
			eventually(t, "it is away", func() bool { return !c.Up() })
			eventually(t, "it says why", func() bool { return logs.Len() == 1 })
			if message := logs.All()[0].Message; !strings.Contains(message, tt.wrong) {
				t.Errorf("the log says %q, want what to do", message)
			}
		})
	}
}

func TestTLSFiles(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for says, tls := range map[string]TLS{
		"redis.tls.rootcas cannot be read":           {RootCAs: []string{a.file("none.crt")}},
		"holds no certificate":                       {RootCAs: []string{a.file("ca.key")}},
		"redis.tls.certificate and redis.tls.key":    {Certificate: a.file("ca.crt"), Key: a.file("none.key")},
		"redis.tls.certificate and redis.tls.key ca": {Key: a.file("ca.key")},
	} {
		if c, err := Open(Config{Addrs: []string{"127.0.0.1:1"}, TLS: tls}, Options{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
			if c != nil {
				c.Close()
			}
		}
	}
}
