package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestValues(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		file string
		env  string
		ok   func(Config) bool
	}{
		{"bytes", "uploads: {memory: 1GiB}", "", func(c Config) bool { return c.Uploads.Memory == 1<<30 }},
		{"bytes, decimal", "uploads: {memory: 64MB}", "", func(c Config) bool { return c.Uploads.Memory == 64e6 }},
		{"plain bytes", "uploads: {memory: 134217728}", "", func(c Config) bool { return c.Uploads.Memory == 128<<20 }},
		{"duration", "http: {draintimeout: 1h30m}", "", func(c Config) bool { return c.HTTP.DrainTimeout == 90*time.Minute }},
		{"a number is a text too", "http: {secret: 0123}", "", func(c Config) bool { return string(c.HTTP.Secret.Reveal()) == "0123" }},
		{"old words for booleans", "storage: {delete: {enabled: off}}", "", func(c Config) bool { return !c.Storage.Delete.Enabled }},
		{"an empty section", "storage:\n  delete:\nhttp:\n", "", func(c Config) bool { return c.Storage.Delete.Enabled }},
		{"an empty value", "http:\n  addr:\n  headers:\n", "", func(c Config) bool { return c.HTTP.Addr == "127.0.0.1:5000" }},
		{"an empty file", "\n", "", func(c Config) bool { return c.HTTP.Addr == "127.0.0.1:5000" }},
		{"anchors", "http: &x\n  timeouts: {body: 5s}\n  <<: {addr: ':7'}\n", "", func(c Config) bool { return c.HTTP.Addr == ":7" && c.HTTP.Timeouts.Body == 5*time.Second }},
		{"a list of platforms", "validation: {manifests: {indexes: {platforms: list, platformlist: [{architecture: arm64, os: linux}]}}}", "",
			func(c Config) bool {
				return c.Validation.Manifests.Indexes.PlatformList[0] == Platform{"arm64", "linux"}
			}},
		{"a list in a variable", "", "REGISTRY_HTTP_HEADERS={A: [b, c]}", func(c Config) bool { return len(c.HTTP.Headers["A"]) == 2 }},
		{"an entry in a variable", "http: {headers: {A: [b]}}", "REGISTRY_HTTP_HEADERS_X_FRAME_OPTIONS=DENY",
			func(c Config) bool {
				return c.HTTP.Headers["X-Frame-Options"][0] == "DENY" && c.HTTP.Headers["A"][0] == "b"
			}},
		{"a header with a dot", "http: {headers: {A.b: [c]}}", "", func(c Config) bool { return c.HTTP.Headers["A.b"][0] == "c" }},
		{"a field in a variable", "", "REGISTRY_LOG_FIELDS_SERVICE=registry", func(c Config) bool { return c.Log.Fields["service"] == "registry" }},
		{"any case in a variable", "", "REGISTRY_http_Addr=:8", func(c Config) bool { return c.HTTP.Addr == ":8" }},
		{"an empty variable of a text", "", "REGISTRY_HTTP_DEBUG_ADDR=", func(c Config) bool { return c.HTTP.Debug.Addr == "" }},
		{"an empty variable of a boolean", "", "REGISTRY_STORAGE_DELETE_ENABLED=", func(c Config) bool { return c.Storage.Delete.Enabled }},
		{"a list of texts", "redis: {addrs: [a:1, 'b:2']}", "", func(c Config) bool { return slices.Equal(c.Redis.Addrs, []string{"a:1", "b:2"}) }},
		{"a list of one", "redis: {addrs: a:1}", "", func(c Config) bool { return slices.Equal(c.Redis.Addrs, []string{"a:1"}) }},
		{"the old name of it", "redis: {addr: localhost:6379}", "", func(c Config) bool { return slices.Equal(c.Redis.Addrs, []string{"localhost:6379"}) }},
		{"the old name of it in a variable", "", "REGISTRY_REDIS_ADDR=localhost:6379", func(c Config) bool { return slices.Equal(c.Redis.Addrs, []string{"localhost:6379"}) }},
		{"commas in a variable", "", "REGISTRY_REDIS_ADDRS=a:1, b:2", func(c Config) bool { return slices.Equal(c.Redis.Addrs, []string{"a:1", "b:2"}) }},
		{"commas and brackets of IPv6", "", "REGISTRY_REDIS_ADDRS=[::1]:1,[::2]:2", func(c Config) bool { return slices.Equal(c.Redis.Addrs, []string{"[::1]:1", "[::2]:2"}) }},
		{"a YAML list in a variable", "", "REGISTRY_REDIS_ADDRS=[a:1, 'b:2']", func(c Config) bool { return slices.Equal(c.Redis.Addrs, []string{"a:1", "b:2"}) }},
		{"YAML lines in a variable", "", "REGISTRY_REDIS_ADDRS=- a:1\n- b:2", func(c Config) bool { return slices.Equal(c.Redis.Addrs, []string{"a:1", "b:2"}) }},
		{"an empty list in a variable", "redis: {addrs: [a:1]}", "REGISTRY_REDIS_ADDRS=", func(c Config) bool { return slices.Equal(c.Redis.Addrs, []string{"a:1"}) }},
		{"secrets", "http: {secrets: [0123, abc]}", "", func(c Config) bool { return slices.Equal(c.HTTP.Secrets, []Secret{"0123", "abc"}) }},
		{"secrets with commas", "", "REGISTRY_HTTP_SECRETS=#new:1,*old", func(c Config) bool { return slices.Equal(c.HTTP.Secrets, []Secret{"#new:1", "*old"}) }},
		{"secrets as a YAML list in a variable", "", "REGISTRY_HTTP_SECRETS=['a,b', c]", func(c Config) bool { return slices.Equal(c.HTTP.Secrets, []Secret{"a,b", "c"}) }},
		{"Redis", "redis: {addrs: [a:1, b:2], mastername: main, username: u, password: p, db: 3, dialtimeout: 10ms, tls: {rootcas: [/ca.pem]}}\nuploads: {provider: redis}", "",
			func(c Config) bool {
				r := c.Redis
				return r.MasterName == "main" && r.Username == "u" && r.Password == "p" && r.DB == 3 && r.DialTimeout == 10*time.Millisecond &&
					r.ReadTimeout == time.Second && r.TLS.RootCAs[0] == "/ca.pem" && c.Uploads.Provider == "redis"
			}},
		{"an endpoint", "notifications: {events: {includereferences: true}, endpoints: [{name: ci, url: 'https://u:p@ci.example/e?k=v', ignore: {actions: pull}, include: 'a/*,b/**', batch: 50}]}", "",
			func(c Config) bool {
				e := c.Notifications.Endpoints[0]
				return c.Notifications.Events.IncludeReferences && e.Name == "ci" && e.URL.Reveal() == "https://u:p@ci.example/e?k=v" && e.Ignore.Actions[0] == "pull" &&
					slices.Equal(e.Include, []string{"a/*", "b/**"}) && e.Batch == 50 && e.Timeout == 5*time.Second && e.Format == "distribution-v2"
			}},
		{"an endpoint of CNCF Distribution", "notifications:\n  endpoints:\n    - name: alistener\n      disabled: false\n      url: https://my.listener.com/event\n" +
			"      headers: {Authorization: [Bearer x]}\n      timeout: 1s\n      threshold: 10\n      backoff: 1s\n      ignoredmediatypes: [application/octet-stream]\n" +
			"      ignore: {mediatypes: [application/octet-stream], actions: [pull]}\n", "",
			func(c Config) bool {
				e := c.Notifications.Endpoints[0]
				return e.Headers["Authorization"][0] == "Bearer x" && e.Timeout == time.Second && e.IgnoredMediaTypes[0] == "application/octet-stream"
			}},
		{"endpoints in a variable", "notifications: {endpoints: [{name: a, url: 'http://a'}, {name: b, url: 'http://b'}]}", "REGISTRY_NOTIFICATIONS_ENDPOINTS=[{name: c, url: 'http://c'}]",
			func(c Config) bool {
				return len(c.Notifications.Endpoints) == 1 && c.Notifications.Endpoints[0].Name == "c"
			}},
		{"no endpoint any more", "notifications: {endpoints: [{name: a, url: 'http://a'}]}", "REGISTRY_NOTIFICATIONS_ENDPOINTS=[]", func(c Config) bool { return len(c.Notifications.Endpoints) == 0 }},
		{"endpoints that are left out", "notifications: {endpoints: }", "REGISTRY_NOTIFICATIONS_ENDPOINTS=", func(c Config) bool { return len(c.Notifications.Endpoints) == 0 }},
		{"endpoints that share what they say", "notifications:\n  endpoints:\n    - &e {name: a, url: 'http://a', backoff: 2s}\n    - {<<: *e, name: b}\n", "",
			func(c Config) bool {
				e := c.Notifications.Endpoints
				return e[1].Name == "b" && e[1].URL == "http://a" && e[1].Backoff == 2*time.Second && e[0].Name == "a"
			}},
		{"no cache", "cache: {enabled: false, memory: 1MiB}", "", func(c Config) bool { return !c.Cache.Enabled && c.Cache.Memory == 1<<20 }},
		{"the file's own variable", "", "REGISTRY_CONFIGURATION_PATH=/none", func(c Config) bool { return true }},
		{"podman's variable", "", "REGISTRY_AUTH_FILE=/root/auth.json", func(c Config) bool { return true }},
	}
	for _, variable := range []string{"REGISTRY_SERVICE_HOST=10.0.0.1", "REGISTRY_SERVICE_PORT=5000", "REGISTRY_SERVICE_PORT_HTTP=5000", "REGISTRY_PORT=tcp://10.0.0.1:5000",
		"REGISTRY_PORT_5000_TCP=tcp://10.0.0.1:5000", "REGISTRY_PORT_5000_TCP_PROTO=tcp", "REGISTRY_PORT_5000_TCP_ADDR=10.0.0.1", "REGISTRY_DEBUG_SERVICE_HOST=10.0.0.2"} {
		tests = append(tests, struct {
			name, file, env string
			ok              func(Config) bool
		}{"kubernetes: " + variable, "", variable, func(c Config) bool { return c.HTTP.Addr == Default().HTTP.Addr }})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := from(t, tt.file, tt.env)
			if err != nil {
				t.Fatal(err)
			}
			if !tt.ok(c.Config) {
				t.Errorf("got %+v", c.Config)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, file, env, want string }{
		{"no YAML", "http: [", "", "config.yml is not valid YAML"},
		{"a key twice", "http:\n  addr: :1\n  addr: :2\n", "", "already defined"},
		{"a section that is a text", "storage: filesystem", "", "config.yml, line 1: storage must hold keys with values"},
		{"a file that is a list", "- a", "", "the file must hold keys with values"},
		{"a delay before now", "http: {draindelay: -1s}", "", "http.draindelay is negative; write how long to go on, such as 10s, or 0s"},
		{"a value that is a section", "http: {addr: {a: b}}", "", "http.addr holds several values; write a single one"},
		{"upper case in the file", "HTTP: {addr: ':1'}", "", "there is no key HTTP; write the nearest one, http, or remove it"},
		{"the wrong section", "rootdirectory: /data", "", "nearest one, storage.s3.rootdirectory,"},
		{"a section in a variable", "", "REGISTRY_STORAGE=filesystem", "set one of those, such as REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY"},
		{"below a value in a variable", "", "REGISTRY_HTTP_ADDR_PORT=5000", "REGISTRY_HTTP_ADDR_PORT: there is no key http.addr.port"},
		{"another program's variable", "", "REGISTRY_MIRROR_UPSTREAM=a", "there is no key mirror.upstream; remove it, or take one of those that `registryd config print` lists."},
		{"nothing alike", "zzzzzz: 1", "", "there is no key zzzzzz; remove it, or take one of those that `registryd config print` lists."},
		{"a slip in a variable", "", "REGISTRY_HTPT_ADDR=:1", "write the nearest one, http.addr (REGISTRY_HTTP_ADDR), or remove it"},
		{"a port", "", "REGISTRY_HTTP_PORT=5000", "there is no key http.port"},
		{"headers of another shape", "http: {headers: {A: b}}", "", "write it such as {X-Content-Type-Options: [nosniff]}."},
		{"a header that is none", "http: {headers: {'A b': [c]}}", "", "cannot be a header"},
		{"no port", "http: {addr: localhost}", "", `http.addr is "localhost"; write an address and a port`},
		{"a port too high", "http: {addr: ':70000'}", "", "http.addr is"},
		{"one port for two", "http: {addr: ':5001'}", "", "http.addr (:5001) takes already"},
		{"a host without scheme", "http: {host: registry.example.com}", "", "such as https://registry.example.com"},
		{"a key without its certificate", "http: {tls: {key: a.pem}}", "", "http.tls.certificate is missing"},
		{"too old a TLS", "http: {tls: {minimumtls: tls1.0}}", "", "write one of tls1.2, tls1.3"},
		{"no time at all", "http: {timeouts: {body: 0s}}", "", "http.timeouts.body must be more than nothing"},
		{"no size", "uploads: {memory: lots}", "", `uploads.memory is "lots", which is no size`},
		{"a small manifest", "validation: {manifests: {maxsize: 1MiB}}", "", "validation.manifests.maxsize is 1MiB"},
		{"no signers", "compatibility: {schema1: {signers: 0}}", "", "compatibility.schema1.signers is 0; write a number from 1 to 256"},
		{"too many signers", "", "REGISTRY_COMPATIBILITY_SCHEMA1_SIGNERS=257", "compatibility.schema1.signers is 257"},
		{"a list of nothing", "validation: {manifests: {indexes: {platforms: list}}}", "", "platformlist is empty"},
		{"secrets beside a secret", "http: {secret: a, secrets: [b]}", "", "http.secrets is set beside http.secret"},
		{"an empty secret", "http: {secrets: [a, '']}", "", "http.secrets has an empty entry"},
		{"an empty secret in a variable", "", "REGISTRY_HTTP_SECRETS=a,,b", "http.secrets has an empty entry"},
		{"a secret twice", "http: {secrets: [a, b, a]}", "", "http.secrets has one secret twice (entry 3)"},
		{"a masked secret", "http: {secrets: ['********']}", "", "http.secrets has the mask"},
		{"secrets of another shape", "http: {secrets: {a: b}}", "", "write it such as [new, old]."},
		{"secrets that are no YAML", "", "REGISTRY_HTTP_SECRETS=[*a]", "write it such as [a, b], or a,b."},
		{"a Redis without a port", "redis: {addrs: redis}", "", `redis.addrs has an entry "redis"; write host and port`},
		{"a Redis without a host", "redis: {addrs: ':6379'}", "", "write host and port"},
		{"Sentinels without an address", "redis: {mastername: main}", "", "redis.addrs is empty beside redis.mastername"},
		{"a database of a Cluster", "redis: {addrs: [a:1, b:1], db: 1}", "", "which has only 0"},
		{"a user without a password", "redis: {addrs: [a:1], username: u}", "", "redis.password is missing"},
		{"the mask of a password", "redis: {addrs: [a:1], password: '********'}", "", "redis.password is the mask"},
		{"half a client certificate", "redis: {addrs: [a:1], tls: {certificate: a.pem}}", "", "redis.tls.key is missing"},
		{"another half of it", "redis: {addrs: [a:1], tls: {key: a.pem}}", "", "redis.tls.certificate is missing"},
		{"no time for Redis", "redis: {addrs: [a:1], dialtimeout: 0s}", "", "redis.dialtimeout must be more than nothing"},
		{"authorities of CNCF Distribution 3.0", "redis: {tls: {clientcas: [a.pem]}}", "", "redis.tls.rootcas"},
		{"a small cache", "cache: {memory: 1KiB}", "", "cache.memory is 1KiB; write 1MiB or more"},
		{"another provider", "uploads: {provider: memory}", "", "write one of hmac, redis"},
		{"a provider that is missing", "uploads: {provider: redis}", "", "uploads.provider is redis, but there is none; set redis.addrs"},
		{"the mask", "http: {secret: '********'}", "", "http.secret is the mask"},
		{"another version", "version: 0.2", "", `version is "0.2"; write 0.1`},
		{"authentication", "auth: {htpasswd: {realm: a, path: b}}", "", "auth is not available, because there is no authentication yet"},
		{"authentication in a variable", "", "REGISTRY_AUTH_HTPASSWD_REALM=a", "auth is not available"},
		{"another store", "storage: {gcs: {bucket: a}}", "", "storage.gcs is not available"},
		{"two stores", "storage: {s3: {bucket: a}, filesystem: {rootdirectory: /data}}", "", "content is kept in one place"},
		{"an endpoint's unknown key", "notifications: {endpoints: [{name: ci, url: 'http://ci', treshold: 3}]}", "", "config.yml, line 1: there is no key notifications.endpoints[ci].treshold; write the nearest one, threshold, or remove it."},
		{"an endpoint's unknown key below", "notifications: {endpoints: [{name: ci, url: 'http://ci', ignore: {action: [pull]}}]}", "", "notifications.endpoints[ci].ignore.action; write the nearest one, ignore.actions,"},
		{"an endpoint's key that nobody knows", "notifications: {endpoints: [{name: ci, url: 'http://ci', zzzzzz: 3}]}", "", "there is no key notifications.endpoints[ci].zzzzzz; remove it, or"},
		{"an endpoint in a variable of its own", "", "REGISTRY_NOTIFICATIONS_ENDPOINTS_0_URL=http://a", "write all of them, as YAML, to REGISTRY_NOTIFICATIONS_ENDPOINTS."},
		{"endpoints of another shape", "notifications: {endpoints: {name: a}}", "", "notifications.endpoints has another shape than it needs; write it such as [{name: ci,"},
		{"an endpoint that is a text", "notifications: {endpoints: [a]}", "", "notifications.endpoints[0] must hold keys with values"},
		{"endpoints that are no YAML", "", "REGISTRY_NOTIFICATIONS_ENDPOINTS=[{", "REGISTRY_NOTIFICATIONS_ENDPOINTS: the value is not valid YAML"},
		{"an endpoint without a name", "notifications: {endpoints: [{url: 'http://a'}]}", "", "config.yml, line 1: notifications.endpoints[0].name is missing"},
		{"an endpoint's name", "notifications: {endpoints: [{name: .., url: 'http://a'}]}", "", "notifications.endpoints[0].name is \"..\"; write 1 to 64 letters"},
		{"two endpoints of one name", "notifications:\n  endpoints:\n    - {name: a, url: 'http://a'}\n    - {name: a, url: 'http://b'}\n", "", "config.yml, line 4: notifications.endpoints[a].name is that of another endpoint, too; write another one."},
		{"an endpoint without a URL", "notifications: {endpoints: [{name: a}]}", "", "notifications.endpoints[a].url is missing"},
		{"an endpoint elsewhere", "notifications: {endpoints: [{name: a, url: 'ftp://a'}]}", "", "notifications.endpoints[a].url is not a URL; write one, such as"},
		{"a masked endpoint", "notifications: {endpoints: [{name: a, url: 'https://********@a'}]}", "", "notifications.endpoints[a].url has the mask"},
		{"an endpoint's header", "notifications: {endpoints: [{name: ci, url: 'http://ci', headers: {'A b': [c]}}]}", "", "notifications.endpoints[ci].headers has an entry \"A b\" that cannot be a header"},
		{"an endpoint's headers of another shape", "notifications: {endpoints: [{name: ci, url: 'http://ci', headers: {A: b}}]}", "", "notifications.endpoints[ci].headers has another shape than it needs; write it such as {Authorization: [Bearer abc]}."},
		{"an endpoint's masked header", "notifications: {endpoints: [{name: ci, url: 'http://ci', headers: {A: ['********']}}]}", "", "notifications.endpoints[ci].headers has the mask"},
		{"an endpoint's timeout", "notifications: {endpoints: [{name: ci, url: 'http://ci', timeout: 5}]}", "", "notifications.endpoints[ci].timeout is \"5\", which is no duration"},
		{"no time for an endpoint", "notifications: {endpoints: [{name: ci, url: 'http://ci', timeout: 0s}]}", "", "notifications.endpoints[ci].timeout must be more than nothing"},
		{"an endpoint's threshold", "notifications: {endpoints: [{name: ci, url: 'http://ci', threshold: 0}]}", "", "notifications.endpoints[ci].threshold is 0; write 1 or more"},
		{"an endpoint's pause", "notifications: {endpoints: [{name: ci, url: 'http://ci', backoff: 25h}]}", "", "notifications.endpoints[ci].backoff is 25h; write more than nothing, and 24h at most"},
		{"an endpoint's longest pause", "notifications: {endpoints: [{name: ci, url: 'http://ci', maxbackoff: 0s}]}", "", "notifications.endpoints[ci].maxbackoff is 0s"},
		{"no attempts", "notifications: {endpoints: [{name: ci, url: 'http://ci', maxattempts: 0}]}", "", "notifications.endpoints[ci].maxattempts is 0; write 1 or more"},
		{"an endpoint's batch", "notifications: {endpoints: [{name: ci, url: 'http://ci', batch: 1001}]}", "", "notifications.endpoints[ci].batch is 1001; write 1 to 1000"},
		{"an endpoint's concurrency", "notifications: {endpoints: [{name: ci, url: 'http://ci', concurrency: 0}]}", "", "notifications.endpoints[ci].concurrency is 0; write 1 to 256"},
		{"an endpoint's action", "notifications: {endpoints: [{name: ci, url: 'http://ci', ignore: {actions: [pulls]}}]}", "", "notifications.endpoints[ci].ignore.actions has an entry \"pulls\"; write push, pull, mount, delete."},
		{"an endpoint's pattern", "notifications: {endpoints: [{name: ci, url: 'http://ci', include: [a//b]}]}", "", "notifications.endpoints[ci].include has an entry \"a//b\", which is no pattern"},
		{"an endpoint's format", "notifications: {endpoints: [{name: ci, url: 'http://ci', format: xml}]}", "", "notifications.endpoints[ci].format is \"xml\"; write one of distribution-v1, distribution-v2, cloudevents"},
		{"an endpoint's secrets", "notifications: {endpoints: [{name: ci, url: 'http://ci', secret: a, secrets: [b]}]}", "", "notifications.endpoints[ci].secrets is set beside secret"},
		{"three of them", "notifications: {endpoints: [{name: ci, url: 'http://ci', secrets: [a, b, c]}]}", "", "notifications.endpoints[ci].secrets has 3 entries"},
		{"half an endpoint's certificate", "notifications: {endpoints: [{name: ci, url: 'http://ci', tls: {key: a.pem}}]}", "", "notifications.endpoints[ci].tls.certificate is missing beside tls.key"},
		{"half a key pair", "storage: {s3: {bucket: a, accesskey: b}}", "", "go together"},
		{"no bucket", "storage: {s3: {regionendpoint: 'http://minio:9000'}}", "", "name the bucket"},
		{"parts too small", "storage: {s3: {bucket: a, chunksize: 1MiB}}", "", "from 5MiB to 5GiB"},
		{"parts too large for the memory", "storage: {s3: {bucket: a, chunksize: 200MiB}}", "", "at most half of uploads.memory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := from(t, tt.file, tt.env)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want one with %q", err, tt.want)
			}
			for problem := range strings.Lines(err.Error()) {
				if !strings.HasSuffix(strings.TrimSpace(problem), ".") {
					t.Errorf("%q is no sentence", problem)
				}
			}
		})
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	for _, file := range []string{
		"http: {secret: hunter2}", "http: {secrets: [hunter2, hunter22]}", "redis: {addrs: [a:1], password: hunter2, sentinelpassword: hunter2}",
		"storage: {s3: {bucket: a, accesskey: b, secretkey: hunter2, sessiontoken: hunter2}}",
		"notifications: {endpoints: [{name: a, url: 'https://u:hunter2@a/b?c=hunter2', secret: hunter2, headers: {A: [hunter2]}}, {name: b, url: 'http://hunter2@b', secrets: [hunter2]}]}",
	} {
		c, err := from(t, file)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := c.Print(&out); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), mask) {
			t.Errorf("config print does not show that there is a secret:\n%s", out.String())
		}
		fmt.Fprintf(&out, "%v %+v %#v %s %q", c, c, c, c.HTTP.Secret, c.HTTP.Secret)
		fmt.Fprintf(&out, "%v %+v %#v %s %q", c.HTTP.Secrets, c.HTTP.Secrets, c.HTTP.Secrets, c.HTTP.Secrets, c.HTTP.Secrets)
		if err := json.NewEncoder(&out).Encode(c); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "hunter2") {
			t.Errorf("the secret shows in:\n%s", out.String())
		}
	}
	for _, variable := range []string{"REGISTRY_HTTP_SECRETS=hunter2,hunter2", "REGISTRY_HTTP_SECRETS=[*hunter2]", "REGISTRY_HTTP_SECRETS=[{a: hunter2}]", "REGISTRY_REDIS_USERNAME=u",
		"REGISTRY_NOTIFICATIONS_ENDPOINTS=[{name: hunter2 x, url: 'ftp://hunter2', headers: {A: hunter2}, secrets: {hunter2: a}}", "REGISTRY_NOTIFICATIONS_ENDPOINTS=[hunter2]",
		"REGISTRY_NOTIFICATIONS_ENDPOINTS=hunter2", "REGISTRY_NOTIFICATIONS_ENDPOINTS=[{name: a, url: 'ftp://hunter2', headers: {A: [\"hunter2\\n\"]}, secret: hunter2, secrets: [hunter2]}]"} {
		if _, err := from(t, "redis: {addrs: [a:1]}", variable); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want an error without the secret", variable, err)
		}
	}
}

func TestBytesString(t *testing.T) {
	t.Parallel()
	for n, want := range map[Bytes]string{0: "0", 1: "1", 1 << 10: "1KiB", 1536 << 10: "1536KiB", 4 << 20: "4MiB", 1 << 30: "1GiB", 2048 << 40: "2048TiB", 1<<20 + 1: "1048577"} {
		if got := n.String(); got != want {
			t.Errorf("Bytes(%d) is %q, want %q", int64(n), got, want)
		}
	}
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{"127.0.0.1:5000": true, "[::1]:5000": true, "localhost:5000": true, ":5000": false, "0.0.0.0:5000": false, "10.0.0.1:5000": false} {
		if Loopback(addr) != want {
			t.Errorf("Loopback(%q) is %v", addr, !want)
		}
	}
}
