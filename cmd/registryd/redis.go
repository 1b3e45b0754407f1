package main

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/config"
	"github.com/registryd/registryd/internal/redisconn"
)

// openRedis makes the way to the Redis that the configuration names; nil if it names none. It does not wait for it: a Redis that is away is no reason not
// to start.
func openRedis(c config.Redis, reg prometheus.Registerer, log *zap.Logger) (*redisconn.Conn, error) {
	if len(c.Addrs) == 0 {
		return nil, nil
	}
	conn, err := redisconn.Open(redisconn.Config{
		Addrs: c.Addrs, MasterName: c.MasterName, Username: c.Username, Password: string(c.Password.Reveal()),
		SentinelUsername: c.SentinelUsername, SentinelPassword: string(c.SentinelPassword.Reveal()), DB: c.DB,
		DialTimeout: c.DialTimeout, ReadTimeout: c.ReadTimeout, WriteTimeout: c.WriteTimeout,
		PoolSize: c.PoolSize, MinIdleConns: c.MinIdleConns, MaxIdleConns: c.MaxIdleConns,
		ConnMaxIdleTime: c.ConnMaxIdleTime, ConnMaxLifetime: c.ConnMaxLifetime,
		TLS: redisconn.TLS{Enabled: c.TLS.Enabled, Certificate: c.TLS.Certificate, Key: c.TLS.Key, RootCAs: c.TLS.RootCAs},
	}, redisconn.Options{Registerer: reg, Log: log})
	if err != nil {
		return nil, fmt.Errorf("cannot use Redis: %w", err)
	}
	return conn, nil
}
