package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// event is what is looked at of one (CNCF Distribution's envelope).
type event struct {
	ID     string `json:"id"`
	Action string `json:"action"`
	Target struct {
		Repository string `json:"repository"`
		Tag        string `json:"tag"`
		Digest     string `json:"digest"`
	} `json:"target"`
}

// sink appends each event to a file, as a line of JSON.
func sink(ctx context.Context, addr, name string) error {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	server := &http.Server{Addr: addr, ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var envelope struct{ Events []event }
		content, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(content, &envelope)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, e := range envelope.Events {
			var line []byte
			if line, err = json.Marshal(e); err == nil {
				_, err = file.Write(append(line, '\n'))
			}
			if err != nil {
				break
			}
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return file.Close()
}

// arrived fails if an acknowledged push has no event with its repository, tag and digest.
func arrived(acks, events string) error {
	pushes, err := readAcks(acks)
	if err != nil {
		return err
	}
	file, err := os.Open(events)
	if err != nil {
		return err
	}
	defer file.Close()
	seen, ids := make(map[ack]bool), make(map[string]bool)
	lines := bufio.NewScanner(file)
	total := 0
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("%s: %w", events, err)
		}
		if e.Action == "push" {
			total++
			ids[e.ID] = true
			seen[ack{e.Target.Repository, e.Target.Tag, e.Target.Digest}] = true
		}
	}
	missing := 0
	for _, push := range pushes {
		if !seen[push] {
			if missing++; missing <= 5 {
				fmt.Fprintf(os.Stderr, "no event of %s:%s %s\n", push.repository, push.tag, push.digest)
			}
		}
	}
	fmt.Printf("%d acknowledged pushes, %d of them without an event, %d events of pushes came more than once\n", len(pushes), missing, total-len(ids))
	if missing > 0 {
		return fmt.Errorf("%d events are missing", missing)
	}
	return lines.Err()
}
