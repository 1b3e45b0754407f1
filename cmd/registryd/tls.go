package main

import (
	"crypto/tls"
	"fmt"

	"github.com/registryd/registryd/internal/config"
)

// loadTLS gives nil for plain HTTP.
func loadTLS(c config.TLS) (*tls.Config, error) {
	if c.Certificate == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return nil, fmt.Errorf("the certificate cannot be used: %w; check the files that http.tls.certificate and http.tls.key name", err)
	}
	oldest := uint16(tls.VersionTLS12)
	if c.MinimumTLS == "tls1.3" {
		oldest = tls.VersionTLS13
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: oldest}, nil
}
