package config

import (
	"net"
	"slices"
)

// validateSecrets looks at the secrets without showing any of them.
func (l *loader) validateSecrets(c HTTP) {
	l.check("http.secrets", len(c.Secrets) == 0 || c.Secret == "", "is set beside http.secret; put that into the list and remove it, or remove the list")
	for i, secret := range c.Secrets {
		l.check("http.secrets", secret != "", "has an empty entry; write the secret itself, or remove the entry")
		l.check("http.secrets", string(secret) != mask, "has the mask that config print shows; write the secret itself")
		l.check("http.secrets", secret == "" || !slices.Contains(c.Secrets[:i], secret), "has one secret twice (entry %d); remove one of them", i+1)
	}
}

func (l *loader) validateRedis(c Redis) {
	for _, addr := range c.Addrs {
		host, _, _ := net.SplitHostPort(addr)
		l.check("redis.addrs", validAddr(addr) && host != "", "has an entry %q; write host and port, such as redis:6379", addr)
	}
	l.check("redis.addrs", len(c.Addrs) > 0 || c.MasterName == "", "is empty beside redis.mastername; name the Sentinels, or remove redis.mastername")
	l.check("redis.db", c.DB == 0 || len(c.Addrs) < 2 || c.MasterName != "", "is %d, but several redis.addrs are a Redis Cluster, which has only 0; write that, or set redis.mastername", c.DB)
	l.check("redis.password", string(c.Password) != mask, "is the mask that config print shows; write the password itself")
	l.check("redis.sentinelpassword", string(c.SentinelPassword) != mask, "is the mask that config print shows; write the password itself")
	l.check("redis.password", c.Username == "" || c.Password != "", "is missing beside redis.username; set it")
	l.check("redis.dialtimeout", c.DialTimeout > 0, "must be more than nothing; write a duration such as 1s")
	l.check("redis.readtimeout", c.ReadTimeout > 0, "must be more than nothing; write a duration such as 1s")
	l.check("redis.writetimeout", c.WriteTimeout > 0, "must be more than nothing; write a duration such as 1s")
	l.check("redis.connmaxidletime", c.ConnMaxIdleTime > 0, "must be more than nothing; write a duration such as 30m")
	l.check("redis.connmaxlifetime", c.ConnMaxLifetime >= 0, "is negative; write how long to use a connection, or 0s for no limit")
	l.check("redis.tls.key", c.TLS.Certificate == "" || c.TLS.Key != "", "is missing beside redis.tls.certificate; name the file of the private key")
	l.check("redis.tls.certificate", c.TLS.Key == "" || c.TLS.Certificate != "", "is missing beside redis.tls.key; name the file of the certificate")
	l.check("redis.tls.rootcas", !slices.Contains(c.TLS.RootCAs, ""), "has an empty entry; name a file, or remove the entry")
}
