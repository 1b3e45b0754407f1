package redisconn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// maxDial is what a connection may take to be made at most, whatever is configured: a longer one would come too late for any budget.
const maxDial = time.Second

// Config says where Redis is, and means the same as CNCF Distribution's section of that name. The zero value of a number or duration is the default of
// the client library, but for the three timeouts, of which it is a second.
type Config struct {
	Addrs      []string // one is a server of its own, several are nodes of a Cluster, or with MasterName the Sentinels
	MasterName string   // what the Sentinels call it

	Username, Password                 string
	SentinelUsername, SentinelPassword string
	DB                                 int // not in a Cluster

	DialTimeout, ReadTimeout, WriteTimeout time.Duration // what the budget of a call leaves of them counts
	PoolSize, MinIdleConns, MaxIdleConns   int           // connections to each server
	ConnMaxIdleTime, ConnMaxLifetime       time.Duration

	TLS TLS
}

// TLS is about encrypted connections, to the Sentinels too.
type TLS struct {
	Enabled          bool     // also on if any of the files is named
	Certificate, Key string   // PEM files of what this client shows
	RootCAs          []string // PEM files of whom it believes; the system's if there are none
}

// Open makes a Conn. It does not wait for Redis, which may be away: its errors are about the configuration alone.
func Open(cfg Config, opts Options) (*Conn, error) {
	if len(cfg.Addrs) == 0 {
		return nil, errors.New("redis.addrs is empty; name a Redis")
	}
	tlsConfig, err := cfg.TLS.config()
	if err != nil {
		return nil, err
	}
	s := &servers{}
	o := &redis.UniversalOptions{
		Addrs: cfg.Addrs, MasterName: cfg.MasterName,
		Username: cfg.Username, Password: cfg.Password, SentinelUsername: cfg.SentinelUsername, SentinelPassword: cfg.SentinelPassword, DB: cfg.DB,
		DialTimeout: min(second(cfg.DialTimeout), maxDial), ReadTimeout: second(cfg.ReadTimeout), WriteTimeout: second(cfg.WriteTimeout),
		PoolSize: cfg.PoolSize, MinIdleConns: cfg.MinIdleConns, MaxIdleConns: cfg.MaxIdleConns,
		ConnMaxIdleTime: cfg.ConnMaxIdleTime, ConnMaxLifetime: cfg.ConnMaxLifetime,
		TLSConfig: tlsConfig, OnConnect: s.meet,

		ContextTimeoutEnabled: true, // budgets are contexts
		MaxRetries:            -1,   // none: the caller has something better to do; 0 would be three
		DialerRetries:         1,    // it counts tries
		PipelinePoolSize:      -1,   // pipelines use the connections that are there

		// Each of these would be one more round trip for a new connection, or a way of talking that nothing here needs.
		DisableIdentity: true, Protocol: 2,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	return newConn(connect(o), s, opts), nil
}

// connect chooses the kind of client as CNCF Distribution does. None of them ever reads from replicas.
func connect(o *redis.UniversalOptions) redis.UniversalClient {
	switch {
	case o.MasterName != "":
		return redis.NewFailoverClient(o.Failover())
	case len(o.Addrs) > 1:
		cluster := o.Cluster()
		cluster.DisableRoutingPolicies = true // commands go by their key; to find out about others the library would ask the nodes, for seconds
		return redis.NewClusterClient(cluster)
	}
	return redis.NewClient(o.Simple())
}

func second(d time.Duration) time.Duration {
	if d == 0 {
		return time.Second
	}
	return d
}

// config gives nil for no TLS.
func (t TLS) config() (*tls.Config, error) {
	if !t.Enabled && t.Certificate == "" && t.Key == "" && len(t.RootCAs) == 0 {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.Certificate != "" || t.Key != "" {
		pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
		if err != nil {
			return nil, fmt.Errorf("redis.tls.certificate and redis.tls.key cannot be used (%w); name a certificate and its key, in PEM", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if len(t.RootCAs) > 0 {
		c.RootCAs = x509.NewCertPool()
	}
	for _, name := range t.RootCAs {
		pem, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("redis.tls.rootcas cannot be read (%w); let this user read it", err)
		}
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("redis.tls.rootcas: %s holds no certificate in PEM; name a file that does", name)
		}
	}
	return c, nil
}
