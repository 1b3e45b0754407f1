package cluster

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
)

// exchange carries requests over one connection, one after the other. It leaves them as they are, because they are signed.
type exchange struct {
	client, server         *net.TCPConn
	fromClient, fromServer *bufio.Reader
	broken                 bool // nothing can follow what is under way
}

// next carries a request, and gives its answer, whose body is still to be read.
func (x *exchange) next() (*http.Request, *http.Response, error) {
	head, err := readHead(x.fromClient)
	if err != nil {
		return nil, nil, err
	}
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		return nil, nil, err
	}
	if request.ContentLength < 0 {
		return nil, nil, errors.New("S3 takes no body of unknown length")
	}
	if _, err := x.server.Write(head); err != nil {
		return nil, nil, err
	}
	if request.Header.Get("Expect") != "" {
		response, err := http.ReadResponse(x.fromServer, request)
		if err != nil || response.StatusCode != http.StatusContinue {
			x.broken = true // the body does not come, or it comes all the same
			return request, response, err
		}
		if _, err := io.WriteString(x.client, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return nil, nil, err
		}
	}
	if err := x.sendBody(request.ContentLength); err != nil {
		return nil, nil, err
	}
	response, err := http.ReadResponse(x.fromServer, request)
	return request, response, err
}

// sendBody moves the body: what was read with the head, then the rest by the kernel. A server that stops reading may have given its answer before.
func (x *exchange) sendBody(size int64) error {
	buffered := min(size, int64(x.fromClient.Buffered()))
	if _, err := io.CopyN(x.server, x.fromClient, buffered); err != nil {
		x.broken = true
		return nil
	}
	n, err := io.CopyN(x.server, x.client, size-buffered)
	switch {
	case n == size-buffered:
		return nil
	case err == io.EOF: // the node is gone
		return io.ErrUnexpectedEOF
	}
	x.broken = true
	return nil
}

// readHead reads the lines up to the empty one.
func readHead(from *bufio.Reader) ([]byte, error) {
	var head []byte
	for {
		line, err := from.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		head = append(head, line...)
		if len(line) <= 2 {
			return head, nil
		}
	}
}
