package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
)

// Listen opens addr, which the configuration has under key. Its error is a sentence for the person who started us.
func Listen(ctx context.Context, key, addr string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	var dns *net.DNSError
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s (%s) is in use by another process; stop that one, or set %s to another address", addr, key, key)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%s (%s) is no address of this machine; set %s to one that is", addr, key, key)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("this user may not listen on %s (%s); set %s to a port above 1023", addr, key, key)
	case errors.As(err, &dns):
		return nil, fmt.Errorf("the host in %s (%s) cannot be resolved; set %s to an address of this machine", addr, key, key)
	}
	return nil, fmt.Errorf("cannot listen on %s (%s): %w; set %s to another address", addr, key, err, key)
}
