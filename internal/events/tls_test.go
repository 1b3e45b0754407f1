package events

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// certificate makes a certificate for a client that is its own root, and gives its files.
func certificate(t *testing.T) (cert *x509.Certificate, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "registryd"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return cert, pemFile(t, "CERTIFICATE", der), pemFile(t, "PRIVATE KEY", private)
}

func pemFile(t *testing.T, kind string, der []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTLS(t *testing.T) {
	t.Parallel()
	client, certFile, keyFile := certificate(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			w.WriteHeader(http.StatusHTTPVersionNotSupported)
		}
		if r.URL.Path == "/known" && len(r.TLS.VerifiedChains) == 0 {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	known := x509.NewCertPool()
	known.AddCert(client)
	server.TLS = &tls.Config{ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: known}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	root := pemFile(t, "CERTIFICATE", server.Certificate().Raw)

	for name, c := range map[string]struct {
		tls    TLS
		path   string
		ok     bool
		status int
	}{
		"unknown root":                {TLS{}, "/", false, 0},
		"another root":                {TLS{RootCAs: certFile}, "/", false, 0},
		"its root":                    {TLS{RootCAs: root}, "/", true, 0},
		"any":                         {TLS{SkipVerify: true}, "/", true, 0},
		"asked who we are, no answer": {TLS{RootCAs: root}, "/known", false, http.StatusForbidden},
		"asked who we are":            {TLS{RootCAs: root, Certificate: certFile, Key: keyFile}, "/known", true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := sender(t, Options{URL: server.URL + c.path, TLS: c.tls}).Send(t.Context(), someEvent())
			if (err == nil) != c.ok {
				t.Fatalf("got %v", err)
			}
			if err != nil && failureOf(t, err).Status != c.status {
				t.Errorf("got %v, want the status %d", err, c.status)
			}
		})
	}
}

func TestTLSFiles(t *testing.T) {
	t.Parallel()
	_, certFile, keyFile := certificate(t)
	for name, files := range map[string]TLS{
		"no such root":       {RootCAs: filepath.Join(t.TempDir(), "none")},
		"root that is a key": {RootCAs: keyFile},
		"no key":             {Certificate: certFile},
		"no certificate":     {Key: keyFile},
		"key in its place":   {Certificate: keyFile, Key: keyFile},
	} {
		if e, err := NewEndpoint(Options{Name: "test", URL: "https://events.example.com", TLS: files}); err == nil {
			t.Errorf("%s: accepted as %v", name, e)
		}
	}
}
