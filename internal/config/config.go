// Package config loads the settings of registryd: defaults, then a YAML file, then the environment, then flags.
//
// The keys are those of CNCF Distribution wherever both have the same thing, and so is the way a key becomes an environment variable
// (http.addr is REGISTRY_HTTP_ADDR). No key has an underscore in it, so that a variable stands for one key only.
package config

import "time"

// Config is everything that can be set. Each field documents itself in its doc tag, which `registryd config print` shows.
type Config struct {
	Version    string     `yaml:"version" doc:"Format of this file, as in CNCF Distribution."`
	Log        Log        `yaml:"log"`
	HTTP       HTTP       `yaml:"http"`
	Storage    Storage    `yaml:"storage"`
	Redis      Redis      `yaml:"redis"`
	Cache      Cache      `yaml:"cache"`
	Uploads    Uploads    `yaml:"uploads"`
	Validation Validation `yaml:"validation"`

	Compatibility Compatibility `yaml:"compatibility"`
	Notifications Notifications `yaml:"notifications"`
}

// Log is about what is written to standard error.
type Log struct {
	Level     string            `yaml:"level" oneof:"debug info warn error" doc:"The least important lines to write: debug, info, warn or error."`
	Formatter string            `yaml:"formatter" oneof:"text json" optional:"true" doc:"text or json; empty is text on a terminal and json elsewhere."`
	Fields    map[string]string `yaml:"fields" doc:"Fields that every line carries, such as {environment: staging}."`
}

// HTTP is about the listeners.
type HTTP struct {
	Addr         string              `yaml:"addr" doc:"Where to listen. There is no authentication yet: keep other addresses than loopback ones behind something that has."`
	Host         string              `yaml:"host" doc:"The URL that clients reach this registry by, for absolute Locations; empty gives relative ones."`
	RelativeURLs bool                `yaml:"relativeurls" doc:"Answer with relative Locations, which work behind any proxy. Setting http.host turns it off."`
	Secret       Secret              `yaml:"secret" doc:"Seals the tokens of running uploads, the same on all nodes; with a directory, empty makes one and keeps it there."`
	Secrets      []Secret            `yaml:"secrets" doc:"Several of them instead of http.secret, to change it while nodes run: the first seals, all open, such as [new, old]."`
	Headers      map[string][]string `yaml:"headers" doc:"Headers to add to every answer, such as {X-Content-Type-Options: [nosniff]}."`
	MaxRequests  int                 `yaml:"maxrequests" doc:"How many requests with a body may run at once, and how many that read; more are answered 429. 0 is no limit."`
	DrainDelay   time.Duration       `yaml:"draindelay" doc:"How long to take requests after SIGTERM, with /readyz at 503, so that load balancers look elsewhere first."`
	DrainTimeout time.Duration       `yaml:"draintimeout" doc:"How long running requests may go on after that."`
	TLS          TLS                 `yaml:"tls"`
	Debug        Debug               `yaml:"debug"`
	Timeouts     Timeouts            `yaml:"timeouts"`
}

// TLS turns HTTPS on when both files are named.
type TLS struct {
	Certificate string `yaml:"certificate" doc:"File of the certificate chain, in PEM; empty serves plain HTTP."`
	Key         string `yaml:"key" doc:"File of its private key, in PEM."`
	MinimumTLS  string `yaml:"minimumtls" oneof:"tls1.2 tls1.3" doc:"The oldest TLS to speak: tls1.2 or tls1.3."`
}

// Debug is the second listener: health, readiness, metrics.
type Debug struct {
	Addr       string     `yaml:"addr" doc:"Where /healthz, /readyz, /cluster and the metrics are served; empty turns it off."`
	Prometheus Prometheus `yaml:"prometheus"`
}

// Prometheus is about the metrics on the debug listener.
type Prometheus struct {
	Enabled bool   `yaml:"enabled" doc:"Serve metrics there."`
	Path    string `yaml:"path" doc:"The path of the metrics."`
}

// Timeouts keep a slow client from holding more than its own connection. There is no limit to how long a request may take that keeps moving.
type Timeouts struct {
	Header time.Duration `yaml:"header" doc:"How long a client may take to send the headers of a request."`
	Idle   time.Duration `yaml:"idle" doc:"How long a connection is kept between two requests."`
	Body   time.Duration `yaml:"body" doc:"How long a body may stand still, in either direction."`
}

// Storage is about where the registry's content is kept.
type Storage struct {
	Filesystem  Filesystem  `yaml:"filesystem"`
	S3          S3          `yaml:"s3"`
	Redirect    Redirect    `yaml:"redirect"`
	Delete      Delete      `yaml:"delete"`
	Maintenance Maintenance `yaml:"maintenance"`
}

// Filesystem keeps it in a directory.
type Filesystem struct {
	RootDirectory string `yaml:"rootdirectory" doc:"The directory that holds everything; it is made if it is missing."`
}

// S3 keeps it in a bucket, which any number of nodes share.
type S3 struct {
	Bucket         string `yaml:"bucket" doc:"The bucket that holds everything; setting it turns the directory off."`
	Region         string `yaml:"region" doc:"Its region."`
	RegionEndpoint string `yaml:"regionendpoint" doc:"URL of a store that is not AWS, such as http://minio:9000."`
	PublicEndpoint string `yaml:"publicendpoint" doc:"The same as clients reach it, for redirects; empty is regionendpoint."`
	AccessKey      string `yaml:"accesskey" doc:"With secretkey; empty takes the AWS chain: environment, profile, web identity, instance role."`
	SecretKey      Secret `yaml:"secretkey" doc:"With accesskey."`
	SessionToken   Secret `yaml:"sessiontoken" doc:"Of temporary keys."`
	RootDirectory  string `yaml:"rootdirectory" doc:"The folder of the bucket that holds everything."`
	ForcePathStyle bool   `yaml:"forcepathstyle" doc:"Name the bucket in the path, not in the host; most stores that are not AWS want that."`
	Secure         bool   `yaml:"secure" doc:"Use https where regionendpoint names no scheme."`
	SkipVerify     bool   `yaml:"skipverify" doc:"Take any certificate; for trials only."`
	CAFile         string `yaml:"cafile" doc:"PEM file of a certificate authority to trust besides the system's."`
	Encrypt        bool   `yaml:"encrypt" doc:"Have the store encrypt what is written."`
	KeyID          string `yaml:"keyid" doc:"The KMS key to encrypt with; empty takes the store's own."`
	StorageClass   string `yaml:"storageclass" doc:"Storage class of what is written, such as STANDARD_IA."`
	ChunkSize      Bytes  `yaml:"chunksize" doc:"Size of the parts of a large upload, from 5MiB."`
	UniformParts   bool   `yaml:"uniformparts" doc:"Make all parts but the last of one size, as Cloudflare R2 wants them."`
	Accelerate     bool   `yaml:"accelerate" doc:"Use AWS transfer acceleration."`
	UseDualStack   bool   `yaml:"usedualstack" doc:"Use AWS endpoints that speak IPv6 too."`
	UseFIPS        bool   `yaml:"usefipsendpoint" doc:"Use AWS endpoints that are FIPS 140 validated."`
	UserAgent      string `yaml:"useragent" doc:"User-Agent of the requests to the store."`
}

// Redirect sends clients to the store for blobs.
type Redirect struct {
	Disable bool `yaml:"disable" doc:"Serve blobs through registryd; false answers with a short-lived URL of the store, which clients must reach."`
}

// Delete is about the DELETE routes.
type Delete struct {
	Enabled bool `yaml:"enabled" doc:"Whether blobs, manifests and tags can be deleted."`
}

// Maintenance is about times in which the registry does less.
type Maintenance struct {
	ReadOnly ReadOnly `yaml:"readonly"`
}

// ReadOnly refuses everything that writes.
type ReadOnly struct {
	Enabled bool `yaml:"enabled" doc:"Serve pulls only."`
}

// Redis makes a cluster faster. Nothing depends on it: a registry whose Redis is away works on.
type Redis struct {
	Addrs            []string      `yaml:"addrs" doc:"Host and port of a Redis, of several nodes of a Redis Cluster, or with mastername of the Sentinels, such as [redis-1:6379, redis-2:6379]."`
	MasterName       string        `yaml:"mastername" doc:"What the Sentinels call the master."`
	Username         string        `yaml:"username" doc:"The user to log in as; empty is the default one."`
	Password         Secret        `yaml:"password" doc:"Its password."`
	SentinelUsername string        `yaml:"sentinelusername" doc:"The same for the Sentinels."`
	SentinelPassword Secret        `yaml:"sentinelpassword" doc:"The same for the Sentinels."`
	DB               int           `yaml:"db" doc:"Number of the database to use; a Redis Cluster has only 0."`
	DialTimeout      time.Duration `yaml:"dialtimeout" doc:"How long a connection may take to be made, up to 1s; a call waits for as long as it has time itself."`
	ReadTimeout      time.Duration `yaml:"readtimeout" doc:"How long an answer may take; a call waits for as long as it has time itself."`
	WriteTimeout     time.Duration `yaml:"writetimeout" doc:"How long sending may take; a call waits for as long as it has time itself."`
	PoolSize         int           `yaml:"poolsize" doc:"How many connections to each server to have at most; 0 is 10 for each processor."`
	MinIdleConns     int           `yaml:"minidleconns" doc:"How many connections to keep open for times of need."`
	MaxIdleConns     int           `yaml:"maxidleconns" doc:"How many connections to keep open at most that nobody uses; 0 is no limit."`
	ConnMaxIdleTime  time.Duration `yaml:"connmaxidletime" doc:"How long to keep one open that nobody uses."`
	ConnMaxLifetime  time.Duration `yaml:"connmaxlifetime" doc:"How long to use a connection; 0s is no limit."`
	TLS              RedisTLS      `yaml:"tls"`
}

// RedisTLS encrypts the connections, to the Sentinels too. Naming any of the files turns it on.
type RedisTLS struct {
	Enabled     bool     `yaml:"enabled" doc:"Encrypt connections to Redis; naming a file below does that too."`
	Certificate string   `yaml:"certificate" doc:"PEM file of the certificate to show, if Redis wants one."`
	Key         string   `yaml:"key" doc:"PEM file of its private key."`
	RootCAs     []string `yaml:"rootcas" doc:"PEM files of the authorities to trust instead of the system's, such as [/etc/registryd/redis-ca.pem]."`
}

// Cache is about what is remembered to ask the store less.
type Cache struct {
	Enabled bool  `yaml:"enabled" doc:"Remember what was read: what never changes in memory, and for a second in Redis what does, if there is one."`
	Memory  Bytes `yaml:"memory" doc:"Memory for what never changes: pointers and manifests."`
}

// Uploads is about blob uploads under way.
type Uploads struct {
	Provider string        `yaml:"provider" oneof:"hmac redis" doc:"How uploads are carried from node to node: hmac, all in the URL, or redis, which stops a second writer at once."`
	TTL      time.Duration `yaml:"ttl" doc:"How long an upload may take, counted from its POST; 22h at most."`
	Memory   Bytes         `yaml:"memory" doc:"Memory that all running uploads of this node may use together, such as 256MiB."`
}

// Validation is about what a manifest must hold to be accepted.
type Validation struct {
	Manifests Manifests `yaml:"manifests"`
}

// Manifests is about manifests of every kind.
type Manifests struct {
	MaxSize Bytes   `yaml:"maxsize" doc:"The largest manifest to accept, from 4MiB to 64MiB."`
	Indexes Indexes `yaml:"indexes"`
}

// Indexes is about image indexes and manifest lists.
type Indexes struct {
	Platforms    string     `yaml:"platforms" oneof:"all none list" doc:"Which of the manifests that an index names must be here: all, none (sparse indexes) or those of a list."`
	PlatformList []Platform `yaml:"platformlist" doc:"The platforms of that list, such as [{architecture: amd64, os: linux}]."`
}

// Platform is one that must be there.
type Platform struct {
	Architecture string `yaml:"architecture" doc:"Its architecture, such as amd64."`
	OS           string `yaml:"os" doc:"Its operating system, such as linux."`
}

// Default is what holds where nothing is set.
func Default() Config {
	return Config{
		Version: "0.1",
		Log:     Log{Level: "info"},
		HTTP: HTTP{
			Addr:         "127.0.0.1:5000",
			RelativeURLs: true,
			MaxRequests:  4096,
			DrainTimeout: time.Minute,
			TLS:          TLS{MinimumTLS: "tls1.2"},
			Debug:        Debug{Addr: "127.0.0.1:5001", Prometheus: Prometheus{Enabled: true, Path: "/metrics"}},
			Timeouts:     Timeouts{Header: 10 * time.Second, Idle: 2 * time.Minute, Body: time.Minute},
		},
		Storage: Storage{
			Filesystem: Filesystem{RootDirectory: "./registry-data"},
			S3:         S3{Region: "us-east-1", Secure: true, ChunkSize: 16 << 20},
			Redirect:   Redirect{Disable: true},
			Delete:     Delete{Enabled: true},
		},
		Redis: Redis{
			DialTimeout: time.Second, ReadTimeout: time.Second, WriteTimeout: time.Second,
			ConnMaxIdleTime: 30 * time.Minute,
		},
		Cache:      Cache{Enabled: true, Memory: 64 << 20},
		Uploads:    Uploads{Provider: "hmac", TTL: 12 * time.Hour, Memory: 256 << 20},
		Validation: Validation{Manifests: Manifests{MaxSize: 4 << 20, Indexes: Indexes{Platforms: "all"}}},

		Compatibility: Compatibility{Schema1: Schema1{Signers: 64}},
	}
}
