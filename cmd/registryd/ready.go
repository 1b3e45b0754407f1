package main

import (
	"net"
	"net/netip"
	"net/url"
	"strings"

	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/config"
)

// sayReady writes the one line that whoever started registryd looks for, and before it what they should know.
func sayReady(log *zap.Logger, c config.Loaded, main, debug net.Listener, b build) {
	for _, w := range c.Warnings {
		log.Warn(w)
	}
	if !config.Loopback(c.HTTP.Addr) {
		log.Warn("anyone who can reach this address can push, pull and delete: there is no authentication yet, so let only trusted networks through to it", zap.String("addr", c.HTTP.Addr))
	}
	if debug != nil && !config.Loopback(c.HTTP.Debug.Addr) {
		log.Warn("anyone who can reach this address can read the metrics and the state of the cluster: let only trusted networks through to it", zap.String("debug", c.HTTP.Debug.Addr))
	}
	name := pushName(c.HTTP.Host, main.Addr().String())
	fields := []zap.Field{
		zap.String("addr", main.Addr().String()),
		zap.String("try", "docker tag IMAGE "+name+"/NAME:TAG && docker push "+name+"/NAME:TAG"),
		zap.String("data", dataPlace(c.Config)),
		zap.String("version", b.version),
	}
	if debug != nil {
		fields = append(fields, zap.String("debug", debug.Addr().String()))
	}
	log.Info("registryd is ready", fields...)
}

// pushName is what images are called here. Docker pushes to localhost without TLS, so that is the name of every address of this machine alone.
func pushName(external, addr string) string {
	if u, err := url.Parse(external); err == nil && u.Host != "" {
		return u.Host
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip, err := netip.ParseAddr(host); err == nil && (ip.IsLoopback() || ip.IsUnspecified()) {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// dataPlace says where the content is kept, for people.
func dataPlace(c config.Config) string {
	if !inBucket(c) {
		return c.Storage.Filesystem.RootDirectory
	}
	place := "s3://" + c.Storage.S3.Bucket
	if folder := strings.Trim(c.Storage.S3.RootDirectory, "/"); folder != "" {
		place += "/" + folder
	}
	return place
}
