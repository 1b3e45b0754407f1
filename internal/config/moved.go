package config

import "strings"

// Configuration files of CNCF Distribution are meant to work as they are. moved holds its keys that registryd does not have: those that are
// harmless to leave out are accepted with a warning, those that someone relies on (who may push, where content is kept) are errors. An entry
// is for the key and everything below it.
var moved = []struct {
	path     string
	harmless bool
	why      string
}{
	{"health", true, "readiness is always checked, at /readyz"},
	{"storage.cache", true, "cache.enabled and cache.memory say what registryd remembers"},
	{"storage.filesystem.maxthreads", true, "registryd needs no limit on threads"},
	{"storage.maintenance.uploadpurging", true, "uploads end by themselves after uploads.ttl"},
	{"storage.s3.v4auth", true, "requests are always signed with version 4"},
	{"storage.s3.loglevel", true, "registryd logs what went wrong with the store itself"},
	{"storage.s3.multipartcopychunksize", true, "registryd never copies in the store"},
	{"storage.s3.multipartcopymaxconcurrency", true, "registryd never copies in the store"},
	{"storage.s3.multipartcopythresholdsize", true, "registryd never copies in the store"},
	{"storage.tag", true, "tags are looked up without walking over them"},
	{"log.accesslog", true, "each request is one line of the log, at level info"},
	{"log.reportcaller", true, "registryd's lines carry no caller"},
	{"log.hooks", true, "registryd only writes to standard error; let what collects the log send mail"},
	{"http.http2", true, "HTTP/2 is always offered with TLS"},
	{"catalog", true, "a page of the catalog has a fixed upper limit"},
	{"validation.enabled", true, "manifests are always checked (validation.manifests.indexes.platforms says how)"},
	{"validation.disabled", true, "manifests are always checked (validation.manifests.indexes.platforms says how)"},
	{"redis.clientname", true, "connections to Redis have no name"},
	{"redis.protocol", true, "registryd chooses how to talk to Redis"},
	{"redis.maxretries", true, "registryd does without Redis rather than ask it twice"},
	{"redis.minretrybackoff", true, "registryd does without Redis rather than ask it twice"},
	{"redis.maxretrybackoff", true, "registryd does without Redis rather than ask it twice"},
	{"redis.contexttimeoutenabled", true, "calls of Redis are always bounded"},
	{"redis.poolfifo", true, "registryd chooses the connections itself"},
	{"redis.pooltimeout", true, "calls of Redis are always bounded"},
	{"redis.pool", true, "the pool is set by redis.poolsize, redis.maxidleconns and redis.connmaxidletime"},
	{"redis.maxactiveconns", true, "redis.poolsize is the limit"},
	{"redis.maxredirects", true, "a call goes on for as long as it has time"},
	{"redis.readonly", true, "registryd never reads from replicas"},
	{"redis.routebylatency", true, "registryd never reads from replicas"},
	{"redis.routerandomly", true, "registryd never reads from replicas"},
	{"redis.disableidentity", true, "registryd does not introduce itself to Redis"},
	{"redis.identitysuffix", true, "registryd does not introduce itself to Redis"},
	{"redis.unstableresp3", true, "registryd chooses how to talk to Redis"},
	{"compatibility.schema1.signingkeyfile", true, "the registry does not sign, but keeps the signatures that manifests come with"},
	{"compatibility.schema1.disablesignaturestore", true, "the signatures that manifests come with are always kept"},

	{"auth", false, "there is no authentication yet; put the registry behind a proxy that has it"},
	{"storage.s3.objectacl", false, "who may read a bucket is for its policy to say"},
	{"storage.gcs", false, "registryd keeps content in a directory or an S3 bucket; set storage.filesystem.rootdirectory or storage.s3"},
	{"storage.azure", false, "registryd keeps content in a directory or an S3 bucket; set storage.filesystem.rootdirectory or storage.s3"},
	{"storage.inmemory", false, "content is always kept; set storage.filesystem.rootdirectory to a directory that you throw away"},
	{"proxy", false, "registryd does not mirror another registry"},
	{"redis.tls.clientcas", false, "CNCF Distribution did not use it either; name whom to trust in redis.tls.rootcas"},
	{"middleware", false, "registryd has no middleware to plug in"},
	{"policy", false, "policies are not supported"},
	{"http.net", false, "registryd listens on TCP; set http.addr"},
	{"http.prefix", false, "registryd serves at /v2/; let the proxy in front take the prefix off"},
	{"http.tls.clientcas", false, "client certificates are not checked; let a proxy in front do it"},
	{"http.tls.letsencrypt", false, "certificates are read from files; set http.tls.certificate and http.tls.key"},
	{"http.tls.ciphersuites", false, "registryd takes Go's choice of cipher suites; http.tls.minimumtls can narrow it"},
	{"validation.manifests.urls", false, "URLs in layers are not checked"},
	{"loglevel", false, "it has moved; set log.level"},
}

func (l *loader) title(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

// renamed gives the key that stands for one of CNCF Distribution 2; nil if there is none.
func (l *loader) renamed(path string) *key {
	if path == "redis.addr" {
		return lookup("redis.addrs") // a single address is a list of one
	}
	return nil
}

// unknown notes a key that the schema does not have.
func (l *loader) unknown(path, where string) {
	for _, m := range moved {
		if below(path, m.path) {
			if m.harmless {
				l.warn("%s: %s has no effect, because %s; remove it when you like.", where, m.path, m.why)
			} else {
				l.problem("%s: %s is not available, because %s, and remove this key.", where, m.path, m.why)
			}
			return
		}
	}
	if k := within(path); k != nil {
		l.problem("%s: the entries of %s have no keys of their own here; write all of them, as YAML, to %s.", where, k.path, k.env())
		return
	}
	k := nearest(schema, path)
	if k == nil {
		l.problem("%s: there is no key %s; remove it, or take one of those that `registryd config print` lists.", where, path)
		return
	}
	name := k.path
	if strings.HasPrefix(where, envPrefix) {
		name += " (" + k.env() + ")"
	}
	l.problem("%s: there is no key %s; write the nearest one, %s, or remove it.", where, path, name)
}

// within gives the list of sections that path would be in; nil if there is none.
func within(path string) (list *key) {
	schema.walk(func(k *key) {
		if k.element != nil && below(path, k.path) {
			list = k
		}
	})
	return list
}

func below(path, section string) bool {
	return path == section || strings.HasPrefix(path, section+".")
}
