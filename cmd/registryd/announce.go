package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/api"
	"github.com/registryd/registryd/internal/cluster"
	"github.com/registryd/registryd/internal/config"
	"github.com/registryd/registryd/internal/redisconn"
	"github.com/registryd/registryd/internal/storage"
)

// redisNamespace is what everything in Redis begins with that belongs to a registry: several may share one Redis. It is empty while the registry's id is
// not known.
//
// The id of a store alone will not do, since a copy of its bucket has the same: the place is part of it.
func redisNamespace(registry *storage.Registry, c config.Config) string {
	if id := registry.ID(); id != "" {
		place := sha256.Sum256([]byte(dataPlace(c)))
		return "registryd:" + id + "-" + hex.EncodeToString(place[:4])
	}
	return ""
}

// clusterView is how this process sees the cluster. conn is nil where no Redis is configured.
func clusterView(registry *storage.Registry, ping func(context.Context) error, conn *redisconn.Conn, namespace string) cluster.View {
	v := cluster.View{Board: cluster.NewStoreBoard(registry), Store: ping}
	if conn == nil {
		return v
	}
	v.Redis = conn.Health
	if namespace != "" {
		v.Board = &cluster.Either{First: cluster.NewRedisBoard(conn, namespace), Second: v.Board}
	}
	return v
}

// startAnnouncing tells the cluster of this node until the function that it gives is called, which takes the node off again; a node that drains is still
// there. A node that shall write nothing announces itself in Redis alone.
func startAnnouncing(ctx context.Context, view cluster.View, me cluster.Node, uploads func() int, readOnly bool, log *zap.Logger) (stop func()) {
	announcer := cluster.Announcer{
		Board: view.Board,
		Every: cluster.StoreEvery,
		Node: func(ctx context.Context) cluster.Node {
			me.Uploads, me.Store, me.Redis = uploads(), cluster.Ask(ctx, view.Store), cluster.Ask(ctx, view.Redis)
			return me
		},
		Failed: func(err error) {
			log.Info("this node could not announce itself, so registryd cluster status may not list it; nothing else depends on that", zap.Error(err))
		},
	}
	either, inRedis := view.Board.(*cluster.Either)
	switch {
	case inRedis && readOnly:
		announcer.Board, announcer.Every = either.First, cluster.RedisEvery
	case inRedis:
		announcer.Every = cluster.RedisEvery
	case readOnly:
		return func() {}
	}
	return background(ctx, announcer.Run)
}

// thisNode is what a node says of itself that does not change. debug is nil if that listener is off.
func thisNode(instance, version string, main, debug net.Listener) cluster.Node {
	host := hostname()
	n := cluster.Node{Instance: instance, Version: version, Address: reachable(main.Addr().String(), host), Started: time.Now().UTC()}
	if debug != nil {
		n.Debug = reachable(debug.Addr().String(), host)
	}
	return n
}

// reachable names the host where a listener is on all of its addresses.
func reachable(addr, host string) string {
	ip, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if parsed, err := netip.ParseAddr(ip); err == nil && parsed.IsUnspecified() {
		return net.JoinHostPort(host, port)
	}
	return addr
}

func hostname() string {
	host, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return host
}

// uploadCounter counts the requests that bring the bytes of a blob, on their way to another observer.
type uploadCounter struct {
	api.Observer
	running atomic.Int64
}

// Begin counts a request.
func (u *uploadCounter) Begin(route, method string) {
	if isUpload(route, method) {
		u.running.Add(1)
	}
	u.Observer.Begin(route, method)
}

// End counts it no more.
func (u *uploadCounter) End(x api.Exchange) {
	if isUpload(x.Route, x.Method) {
		u.running.Add(-1)
	}
	u.Observer.End(x)
}

func (u *uploadCounter) count() int { return int(u.running.Load()) }
