package events

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLS says how to trust an endpoint, and how to be trusted by it. The files are PEM, and are read once.
type TLS struct {
	RootCAs     string // the file of the roots to trust, in place of the system's
	Certificate string // the files of the certificate, with its chain, and the key that the endpoint may ask for
	Key         string
	SkipVerify  bool // take any certificate; for trials only
}

func (e *Endpoint) loadTLS() error {
	e.tls = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: e.TLS.SkipVerify}
	if e.TLS.RootCAs != "" {
		roots, err := os.ReadFile(e.TLS.RootCAs)
		if err != nil {
			return fmt.Errorf("read the file that tls.rootcas names: %w", err)
		}
		e.tls.RootCAs = x509.NewCertPool()
		if !e.tls.RootCAs.AppendCertsFromPEM(roots) {
			return errors.New("the file that tls.rootcas names holds no certificate in PEM: give it at least one")
		}
	}
	if e.TLS.Certificate == "" && e.TLS.Key == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(e.TLS.Certificate, e.TLS.Key)
	if err != nil {
		return fmt.Errorf("the certificate cannot be used: %w; check the files that tls.certificate and tls.key name", err)
	}
	e.tls.Certificates = []tls.Certificate{pair}
	return nil
}
