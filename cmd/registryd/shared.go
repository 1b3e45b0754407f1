package main

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/config"
	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/facts"
	"github.com/registryd/registryd/internal/redisconn"
	"github.com/registryd/registryd/internal/storage"
	"github.com/registryd/registryd/internal/uploadtoken"
)

// shared is the registry, with what its nodes share besides the store.
type shared struct {
	registry *storage.Registry
	tokens   uploadtoken.Provider
	redis    *redisconn.Conn // nil where none is configured

	namespace string // of all that is kept in Redis; empty where that cannot be known
}

// openShared opens the registry in a store, and Redis if there is one.
func (a *app) openShared(ctx context.Context, c config.Config, driver drivers.Driver, instance string, reg prometheus.Registerer, log *zap.Logger) (_ *shared, err error) {
	s := &shared{}
	keys, err := tokenKeys(c)
	if err != nil {
		return nil, err
	}
	sealed, err := uploadtoken.NewHMAC(keys, nil)
	if err != nil {
		return nil, err
	}
	s.tokens = sealed
	if s.redis, err = openRedis(c.Redis, reg, log); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()

	opts := storageOptions(c)
	if opts.Trusted, err = trustedKeys(c.Compatibility.Schema1); err != nil {
		return nil, err
	}
	s.registry = storage.New(driver, opts)
	if err := s.registry.Prepare(ctx); err != nil {
		return nil, err
	}
	s.namespace = redisNamespace(s.registry, c)
	if s.redis == nil || s.namespace == "" {
		return s, nil
	}
	if c.Uploads.Provider == "redis" {
		s.tokens = uploadtoken.NewRedis(sealed, s.redis, uploadtoken.RedisOptions{Namespace: s.namespace, Instance: instance})
	}
	// Without the cache, too: other nodes may have it, and have to be told of changes.
	s.registry.Remember(facts.New(s.redis, facts.Options{Namespace: s.namespace, Registerer: reg, Forgetful: !c.Cache.Enabled}))
	return s, nil
}

// Close gives up what was opened.
func (s *shared) Close() error {
	if s.redis == nil {
		return nil
	}
	return s.redis.Close()
}

// tokenKeys are made of the secrets that are set. A single node makes one and keeps it with its data; nodes that share a bucket must share it.
func tokenKeys(c config.Config) (keys []uploadtoken.Key, err error) {
	secrets := c.HTTP.Secrets
	if len(secrets) == 0 {
		secrets = []config.Secret{c.HTTP.Secret}
	}
	if secrets[0] == "" && inBucket(c) {
		return nil, errors.New("http.secret is not set; nodes that share a bucket need the same one, so run `registryd secret new` once and give what it prints to all of them")
	}
	if secrets[0] == "" {
		kept, err := keptSecret(c.Storage.Filesystem.RootDirectory)
		if err != nil {
			return nil, err
		}
		secrets = []config.Secret{config.Secret(kept)}
	}
	for _, secret := range secrets {
		keys = append(keys, uploadtoken.KeyFromSecret(string(secret.Reveal())))
	}
	return keys, nil
}
