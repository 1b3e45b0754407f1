package config

import "time"

// Notifications is about events: who is told of them, and what they say.
type Notifications struct {
	Events    NotifiedEvents `yaml:"events"`
	Endpoints []Endpoint     `yaml:"endpoints" doc:"Who is told of what happens in the registry, such as [{name: ci, url: 'https://ci.example.com/events'}]."`
}

// NotifiedEvents is about what all events say.
type NotifiedEvents struct {
	IncludeReferences bool `yaml:"includereferences" doc:"Have the events of a manifest list its config and layers, or its manifests."`
}

// Endpoint is one that is told, by POST.
type Endpoint struct {
	Name              string              `yaml:"name" doc:"Its name, which no other has: up to 64 letters, digits, '.', '_' and '-', with a letter or digit first."`
	URL               URL                 `yaml:"url" doc:"Where events are sent to; http or https, which may hold a user and password."`
	Disabled          bool                `yaml:"disabled" doc:"Tell it nothing. What happens meanwhile it will not hear of."`
	Headers           map[string][]Secret `yaml:"headers" doc:"Headers of each request, such as {Authorization: [Bearer abc]}."`
	Timeout           time.Duration       `yaml:"timeout" doc:"How long an attempt may take, until the endpoint has answered."`
	Threshold         int                 `yaml:"threshold" doc:"How many attempts in a row may fail before the endpoint is left alone for a while."`
	Backoff           time.Duration       `yaml:"backoff" doc:"How long it is left alone then; also what the pauses between two attempts for an event grow from."`
	MaxBackoff        time.Duration       `yaml:"maxbackoff" doc:"The longest pause between two attempts for an event."`
	MaxAttempts       int                 `yaml:"maxattempts" doc:"How many attempts are made for an event before it is put aside as a dead letter."`
	IgnoredMediaTypes []string            `yaml:"ignoredmediatypes" doc:"The same as ignore.mediatypes, such as [application/octet-stream]."`
	Ignore            Ignore              `yaml:"ignore"`
	Include           []string            `yaml:"include" doc:"The repositories to tell it of, such as [library/*, team/**]; none is all."`
	Secret            Secret              `yaml:"secret" doc:"Signs each request, so that the endpoint can tell who it comes from."`
	Secrets           []Secret            `yaml:"secrets" doc:"Two of them instead of secret, to change it: both sign, such as [new, old]."`
	Format            string              `yaml:"format" oneof:"distribution-v1 distribution-v2 cloudevents" doc:"How events are written: distribution-v2 as CNCF Distribution 3 does, distribution-v1 as 2 did, or cloudevents."`
	Batch             int                 `yaml:"batch" doc:"The most events to send in one request, up to 1000."`
	Concurrency       int                 `yaml:"concurrency" doc:"The most requests that a node has under way to it at once, up to 256."`
	Ordered           bool                `yaml:"ordered" doc:"Send the events of a repository one after the other, in their order; slower."`
	AllowPrivate      bool                `yaml:"allowprivate" doc:"Let it be at a loopback or private address; link-local ones and those of cloud metadata never are."`
	TLS               EndpointTLS         `yaml:"tls"`
}

// Ignore is what an endpoint does not want to hear of.
type Ignore struct {
	MediaTypes []string `yaml:"mediatypes" doc:"Media types to tell nothing of, such as [application/octet-stream], which stands for blobs."`
	Actions    []string `yaml:"actions" doc:"Actions to tell nothing of, such as [pull]; there are push, pull, mount and delete."`
}

// EndpointTLS is about connections to it by https.
type EndpointTLS struct {
	RootCAs     string `yaml:"rootcas" doc:"PEM file of the authorities to trust instead of the system's."`
	Certificate string `yaml:"certificate" doc:"PEM file of the certificate to show, if the endpoint wants one."`
	Key         string `yaml:"key" doc:"PEM file of its private key."`
	SkipVerify  bool   `yaml:"skipverify" doc:"Take any certificate; for trials only."`
}

// DefaultEndpoint is what an endpoint has that says nothing else. Attempts for an event go on for about eight hours.
func DefaultEndpoint() Endpoint {
	return Endpoint{
		Timeout: 5 * time.Second, Threshold: 10, Backoff: time.Second, MaxBackoff: 10 * time.Minute, MaxAttempts: 100,
		Format: "distribution-v2", Batch: 1, Concurrency: 16,
	}
}
