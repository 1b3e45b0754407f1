package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// client speaks HTTP/1.1 over one connection at a time. Unlike http.Client it never sends a request again, whatever becomes of it: what fails has failed.
type client struct {
	addr string
	once bool // a new connection for each request
	conn net.Conn
	in   *bufio.Reader
}

// answer is a whole one.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// patience is how long a request may take, with bodies of some megabytes on a machine that is busy.
const patience = 60 * time.Second

// do sends a request and reads the answer; header holds names and values in turn.
func (c *client) do(ctx context.Context, method, target string, body io.Reader, length int64, header ...string) (answer, error) {
	at, err := url.Parse("http://" + c.addr)
	if err == nil {
		at, err = at.Parse(target)
	}
	if err != nil {
		return answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, method, at.String(), body)
	if err != nil {
		return answer{}, err
	}
	req.ContentLength = length
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	fresh := c.conn == nil
	a, err := c.exchange(ctx, req)
	if err != nil {
		c.close()
		kind := "a connection that was used before"
		if fresh {
			kind = "a new connection"
		}
		return a, fmt.Errorf("%s %s on %s: %w", method, at.Path, kind, err)
	}
	return a, nil
}

func (c *client) exchange(ctx context.Context, req *http.Request) (answer, error) {
	if c.conn == nil {
		dialer := net.Dialer{Timeout: 10 * time.Second}
		conn, err := dialer.DialContext(ctx, "tcp", c.addr)
		if err != nil {
			return answer{}, err
		}
		c.conn, c.in = conn, bufio.NewReader(conn)
	}
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return answer{}, err
	}
	if err := req.Write(c.conn); err != nil {
		return answer{}, err
	}
	resp, err := http.ReadResponse(c.in, req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	if resp.Close || c.once {
		c.close()
	}
	return answer{resp.StatusCode, resp.Header, content}, nil
}

// send is do with a body that is at hand, and with a status that must come.
func (c *client) send(ctx context.Context, want int, method, target string, body []byte, header ...string) (answer, error) {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	a, err := c.do(ctx, method, target, reader, int64(len(body)), header...)
	if err == nil && a.status != want {
		err = fmt.Errorf("%s %s: got %d, want %d: %s", method, target, a.status, want, a.body)
	}
	return a, err
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
	}
	c.conn, c.in = nil, nil
}
