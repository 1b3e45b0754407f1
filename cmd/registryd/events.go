package main

import (
	"context"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/api"
	"github.com/registryd/registryd/internal/cluster"
	"github.com/registryd/registryd/internal/config"
	"github.com/registryd/registryd/internal/events"
	"github.com/registryd/registryd/internal/redisconn"
	"github.com/registryd/registryd/internal/storage"
)

// openEndpoints makes the endpoints that the configuration names, and reads the files that they name.
func openEndpoints(c config.Notifications) ([]*events.Endpoint, error) {
	endpoints := make([]*events.Endpoint, len(c.Endpoints))
	for i, e := range c.Endpoints {
		endpoint, err := events.NewEndpoint(endpointOptions(e))
		if err != nil {
			return nil, err
		}
		endpoints[i] = endpoint
	}
	return endpoints, nil
}

func endpointOptions(c config.Endpoint) events.Options {
	o := events.Options{
		Name: c.Name, URL: c.URL.Reveal(), Disabled: c.Disabled, Headers: make(http.Header), Timeout: c.Timeout,
		Threshold: c.Threshold, Backoff: c.Backoff, MaxBackoff: c.MaxBackoff, MaxAttempts: c.MaxAttempts,
		IgnoredMediaTypes: append(append([]string(nil), c.IgnoredMediaTypes...), c.Ignore.MediaTypes...), Include: c.Include,
		Format: events.Format(c.Format), Batch: c.Batch, Concurrency: c.Concurrency, Ordered: c.Ordered, AllowPrivate: c.AllowPrivate,
		TLS: events.TLS{RootCAs: c.TLS.RootCAs, Certificate: c.TLS.Certificate, Key: c.TLS.Key, SkipVerify: c.TLS.SkipVerify},
	}
	for name, values := range c.Headers {
		for _, value := range values {
			o.Headers.Add(name, string(value.Reveal()))
		}
	}
	for _, action := range c.Ignore.Actions {
		o.IgnoredActions = append(o.IgnoredActions, events.Action(action))
	}
	secrets := c.Secrets
	if c.Secret != "" {
		secrets = []config.Secret{c.Secret}
	}
	for _, secret := range secrets {
		o.Secrets = append(o.Secrets, secret.Reveal())
	}
	return o
}

// newEvents is what brings events to endpoints. conn is nil where no Redis is configured.
func newEvents(registry events.Registry, conn *redisconn.Conn, namespace, instance string, endpoints []*events.Endpoint, reg prometheus.Registerer, log *zap.Logger) *events.Events {
	s := events.Settings{Registry: registry, Namespace: namespace, Instance: instance, Endpoints: endpoints, Registerer: reg, Log: log}
	if conn != nil && s.Namespace != "" {
		s.Conn = conn
	}
	return events.New(s)
}

// listenTo has deliver told of what clients do; nil, and it is not, where there is no endpoint, or nothing may be written. It is called before the registry
// is used.
func listenTo(registry *storage.Registry, deliver *events.Events, me cluster.Node, c config.Config, log *zap.Logger) api.Events {
	if len(deliver.Endpoints) == 0 {
		return nil
	}
	if c.Storage.Maintenance.ReadOnly.Enabled {
		log.Info("this node is read-only, so it sends no events")
		return nil
	}
	registry.HandTo(deliver)
	source := events.Source{Addr: me.Address, InstanceID: me.Instance}
	return &notifier{events: deliver, source: source, references: c.Notifications.Events.IncludeReferences, log: log}
}

// startEvents delivers events and clears the journal until the function that it gives is called, which is to be the last: whatever was pushed until then is
// queued, and what is through with the journal is removed. It runs without endpoints as well, since some node has to settle what nodes left that died.
func startEvents(ctx context.Context, registry *storage.Registry, deliver *events.Events, readOnly bool) (stop func()) {
	if readOnly {
		return func() {}
	}
	stopDelivery, stopJournal := background(ctx, deliver.Run), background(ctx, registry.RunJournal)
	return func() { stopDelivery(); stopJournal() }
}

// background runs something that ends with its context, also when ctx ends sooner, until the function that it gives is called, which waits for it.
func background(ctx context.Context, run func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	return func() { cancel(); <-done }
}

// maxNote is how long the events of one push may be with all that its manifest refers to, in bytes. Longer ones go out without that: an index may name
// thousands of manifests, for each of 64 tags, and is to be pushed all the same.
const maxNote = 256 << 10

// brief is what an event tells of content that a manifest refers to: what it is, not what has been written about it, which may be as long as the manifest.
func brief(d events.Descriptor) events.Descriptor {
	return events.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, Platform: d.Platform, ArtifactType: d.ArtifactType}
}

// notifier makes events of what clients do.
type notifier struct {
	events     *events.Events
	source     events.Source
	references bool // whether the events of a manifest list what it refers to
	log        *zap.Logger
}

var _ api.Events = (*notifier)(nil)

// Note writes the events of a push or a deletion down.
func (n *notifier) Note(of ...api.Happening) []byte {
	all := make([]events.Event, len(of))
	for i, what := range of {
		all[i] = n.event(what)
	}
	note, err := events.Note(all...)
	if err == nil && len(note) > maxNote {
		for i := range all {
			all[i].Target.References = nil
		}
		note, err = events.Note(all...)
	}
	if err != nil {
		n.log.Error("nobody will be told of a push or deletion, because its event cannot be written; report this as a bug", zap.Error(err))
	}
	return note
}

// Happened tells of all else.
func (n *notifier) Happened(what api.Happening) { n.events.Happened(n.event(what)) }

func (n *notifier) event(h api.Happening) events.Event {
	o := events.Origin{
		Registry: h.Registry, Source: n.source,
		Request: events.Request{ID: h.Request, Addr: h.Addr, Host: h.Host, Method: h.Method, UserAgent: h.UserAgent},
	}
	switch h.Kind {
	case api.KindTag:
		return o.TagDeleted(h.Repository, h.Tag)
	case api.KindBlob:
		return blobEvent(o, h)
	}
	target := events.Target{
		Repository: h.Repository, Tag: h.Tag, MediaType: h.MediaType, Digest: h.Digest, Size: h.Size,
		ArtifactType: h.Content.ArtifactType,
	}
	if h.Content.Subject != nil {
		subject := brief(*h.Content.Subject)
		target.Subject = &subject
	}
	if n.references {
		for _, ref := range h.Content.References {
			target.References = append(target.References, brief(ref))
		}
	}
	switch h.Action {
	case api.ActionDelete:
		return o.ManifestDeleted(h.Repository, h.Digest)
	case api.ActionPull:
		return o.ManifestPulled(target)
	}
	return o.ManifestPushed(target)
}

func blobEvent(o events.Origin, h api.Happening) events.Event {
	switch h.Action {
	case api.ActionDelete:
		return o.BlobDeleted(h.Repository, h.Digest)
	case api.ActionPull:
		return o.BlobPulled(h.Repository, h.Digest, h.Size)
	case api.ActionMount:
		return o.BlobMounted(h.Repository, h.From, h.Digest, h.Size)
	}
	return o.BlobPushed(h.Repository, h.Digest, h.Size)
}

// queues are what waits for endpoints, for the status of the cluster.
type queues struct{ events *events.Events }

// queueSources is empty where there are no endpoints.
func queueSources(e *events.Events) []cluster.Source {
	if len(e.Endpoints) == 0 {
		return nil
	}
	return []cluster.Source{queues{e}}
}

// Queues counts the journal, and what waits for each endpoint where that is known.
func (q queues) Queues(ctx context.Context) ([]cluster.Queue, error) {
	s, err := q.events.Status(ctx)
	if err != nil {
		return nil, err
	}
	all := []cluster.Queue{{Name: "journal", Depth: int64(s.Journal), Oldest: s.Oldest}}
	for _, e := range s.Endpoints {
		if s.Known {
			all = append(all, cluster.Queue{Name: "events/" + e.Name, Depth: e.Waiting, Oldest: e.Oldest})
		}
	}
	return all, nil
}
