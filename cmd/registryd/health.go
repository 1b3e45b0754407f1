package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// healthTime is how long a node may take to answer: longer than it waits for its store.
const healthTime = 5 * time.Second

func (a *app) healthCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "Ask the node that runs on this machine whether it is ready",
		Long: "health asks the second listener of the configuration (http.debug.addr), on this machine, for /readyz. It exits with 0 if the node is ready for requests, " +
			"and with 1 if it is not or cannot be asked. The image uses it as its health check.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			url, err := readyURL(c.HTTP.Debug.Addr)
			if err != nil {
				return err
			}
			if err := askReady(cmd.Context(), url); err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.stdout, "The node is ready.")
			return err
		},
	}
}

// readyURL is where a node that listens on addr says whether it is ready. Wildcards are asked by way of loopback.
func readyURL(addr string) (string, error) {
	if addr == "" {
		return "", errors.New("the second listener is off, so nobody can ask this node; set http.debug.addr, such as 127.0.0.1:5001")
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("http.debug.addr cannot be asked: %w; write host:port", err)
	}
	if port == "0" {
		return "", errors.New("http.debug.addr has port 0, which is another port each time; set it to one that can be asked")
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1" // a listener on :: takes it too
	}
	return "http://" + net.JoinHostPort(host, port) + "/readyz", nil
}

// askReady gives nil if the node is ready. Proxies that the environment names are not used: the node is on this machine.
func askReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("http.debug.addr cannot be asked: %w; write host:port", err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("no node answers at %s: %w; see that it runs, with this configuration", url, err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return fmt.Errorf("the node stopped in the middle of its answer: %w; ask again", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the node is not ready: %s", strings.Join(strings.Fields(string(said)), " "))
	}
	return nil
}
