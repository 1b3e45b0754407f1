package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/api"
	"github.com/registryd/registryd/internal/cluster"
	"github.com/registryd/registryd/internal/config"
	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/events"
	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/metrics"
	"github.com/registryd/registryd/internal/server"
	"github.com/registryd/registryd/internal/storage"
)

func (a *app) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve [FILE]",
		Short: "Serve the registry until SIGTERM or SIGINT; a second signal ends it at once",
		Args: func(cmd *cobra.Command, args []string) error {
			// CNCF Distribution takes its configuration file as an argument.
			if len(args) == 1 && a.file == "" {
				a.file = args[0]
				return nil
			}
			return noArgs(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			return a.serve(cmd.Context(), c)
		},
	}
}

// serve puts the parts together, from the store up, and runs them until ctx ends.
func (a *app) serve(ctx context.Context, c config.Loaded) (err error) {
	log := newLogger(c.Log, a.stderr)
	b := thisBuild()
	tlsConfig, err := loadTLS(c.HTTP.TLS)
	if err != nil {
		return err
	}
	endpoints, err := openEndpoints(c.Notifications)
	if err != nil {
		return err
	}
	main, debug, err := listen(ctx, c.HTTP)
	if err != nil {
		return err
	}
	store, err := openStore(ctx, c.Config, false)
	if err != nil {
		return errors.Join(err, closeAll(main, debug))
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	readOnly := c.Storage.Maintenance.ReadOnly.Enabled
	if err := proveStore(ctx, store, readOnly); err != nil {
		return errors.Join(err, closeAll(main, debug))
	}

	reg := metrics.NewRegistry(b.version, b.revision)
	driver := metrics.Driver(store, reg)
	instance := cluster.NewInstance(hostname())
	shared, err := a.openShared(ctx, c.Config, driver, instance, reg, log)
	if err != nil {
		return errors.Join(err, closeAll(main, debug))
	}
	defer func() { err = errors.Join(err, shared.Close()) }()
	metrics.Cache(reg, func() metrics.CacheStats { return metrics.CacheStats(shared.registry.CacheStats()) })
	metrics.Memory(reg, uploadMemory(store))

	n := &servingNode{Loaded: c, shared: shared, driver: driver, me: thisNode(instance, b.version, main, debug), reg: reg, log: log}
	n.uploads = &uploadCounter{Observer: observer{metrics.NewHTTP(reg)}}
	n.view = clusterView(shared.registry, driver.Ping, shared.redis, shared.namespace)
	n.work = leasing{shared.registry, metrics.NewLeases(reg)}
	n.deliver = newEvents(n.work, shared.redis, shared.namespace, instance, endpoints, reg, log)
	n.view.Sources = queueSources(n.deliver)
	srv := n.server(tlsConfig)
	sayReady(log, c, main, debug, b)
	stop := n.startWork(ctx, readOnly)
	err = srv.Serve(ctx, main, debug)
	stop()
	log.Info("registryd has stopped")
	return err
}

// servingNode is what serve puts together.
type servingNode struct {
	config.Loaded
	*shared
	driver  drivers.Driver
	me      cluster.Node
	view    cluster.View
	work    leasing
	deliver *events.Events
	uploads *uploadCounter
	reg     *prometheus.Registry
	log     *zap.Logger
}

// server answers clients, and on the second listener whoever looks after the node.
func (n *servingNode) server(tlsConfig *tls.Config) *server.Server {
	http := n.HTTP
	options := apiOptions(n.Config, n.me.Instance, n.log, n.uploads)
	options.Events = listenTo(n.registry, n.deliver, n.me, n.Config, n.log)
	return server.New(server.Options{
		Handler:       api.New(n.registry, n.tokens, options),
		TLS:           tlsConfig,
		Ping:          n.driver.Ping,
		Log:           n.log,
		Cluster:       cluster.Handler(n.view),
		Metrics:       metricsHandler(http.Debug.Prometheus.Enabled, promhttp.HandlerFor(n.reg, promhttp.HandlerOpts{Registry: n.reg})),
		MetricsPath:   http.Debug.Prometheus.Path,
		Delay:         http.DrainDelay,
		Grace:         http.DrainTimeout,
		HeaderTimeout: http.Timeouts.Header,
		IdleTimeout:   http.Timeouts.Idle,
		BodyTimeout:   http.Timeouts.Body,
	})
}

// startWork starts what a node does besides answering. The function that it gives ends it: events last, so that what was pushed until then is queued.
func (n *servingNode) startWork(ctx context.Context, readOnly bool) (stop func()) {
	stopEvents := startEvents(ctx, n.registry, n.deliver, readOnly)
	stopImport := startImport(ctx, n.work, readOnly, n.log)
	stopJanitor := startJanitor(ctx, n.work, readOnly, n.reg, n.log)
	stopAnnouncing := startAnnouncing(ctx, n.view, n.me, n.uploads.count, readOnly, n.log)
	return func() {
		stopAnnouncing()
		stopJanitor()
		stopImport()
		stopEvents()
	}
}

func storageOptions(c config.Config) storage.Options {
	indexes := c.Validation.Manifests.Indexes
	rule := storage.IndexRule{None: indexes.Platforms == "none"}
	if indexes.Platforms == "list" {
		for _, p := range indexes.PlatformList {
			rule.Only = append(rule.Only, storage.Platform{OS: p.OS, Architecture: p.Architecture})
		}
	}
	memory := int64(c.Cache.Memory)
	if !c.Cache.Enabled {
		memory = 0
	}
	return storage.Options{
		Rules:      manifest.Rules{Schema1: c.Compatibility.Schema1.Enabled, TarSums: c.Compatibility.TarSum.Enabled, Signers: c.Compatibility.Schema1.Signers},
		CacheBytes: memory,
		UploadTTL:  c.Uploads.TTL,
		IndexRule:  rule,
		DeletesOff: !c.Storage.Delete.Enabled,
		ReadOnly:   c.Storage.Maintenance.ReadOnly.Enabled,
	}
}

func apiOptions(c config.Config, instance string, log *zap.Logger, observe api.Observer) api.Options {
	opts := api.Options{
		Log:         log,
		Observe:     observe,
		Instance:    instance,
		AbsoluteURL: !c.HTTP.RelativeURLs,
		Redirect:    !c.Storage.Redirect.Disable,
		MaxRequests: c.HTTP.MaxRequests,
		ReadOnly:    c.Storage.Maintenance.ReadOnly.Enabled,
		MaxManifest: int64(c.Validation.Manifests.MaxSize),
		Headers:     c.HTTP.Headers,
	}
	if !c.HTTP.RelativeURLs {
		opts.Host = c.HTTP.Host
	}
	return opts
}

func metricsHandler(enabled bool, h http.Handler) http.Handler {
	if !enabled {
		return nil
	}
	return h
}

// listen opens the listeners; debug is nil if it is off.
func listen(ctx context.Context, c config.HTTP) (main, debug net.Listener, err error) {
	if main, err = server.Listen(ctx, "http.addr", c.Addr); err != nil {
		return nil, nil, err
	}
	if c.Debug.Addr == "" {
		return main, nil, nil
	}
	if debug, err = server.Listen(ctx, "http.debug.addr", c.Debug.Addr); err != nil {
		return nil, nil, errors.Join(err, main.Close())
	}
	return main, debug, nil
}

func closeAll(listeners ...net.Listener) error {
	var err error
	for _, l := range listeners {
		if l != nil {
			err = errors.Join(err, l.Close())
		}
	}
	return err
}
