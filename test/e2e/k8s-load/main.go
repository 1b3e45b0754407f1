// Command k8s-load is the client and the event sink of test/e2e/k8s.sh.
//
//	k8s-load raw     REGISTRY ACKS SECONDS   pushes and pulls until SIGTERM, and for so many seconds at least; never repeats a request
//	k8s-load resume  REGISTRY ACKS           uploads slowly, and goes on as the spec says when a request breaks off
//	k8s-load verify  REGISTRY ACKS           pulls all that was acknowledged, and hashes it
//	k8s-load sink    ADDR EVENTS             takes events, and answers once they are in the file
//	k8s-load arrived ACKS EVENTS             tells whether each acknowledged push has its event
//
// ACKS has a line "repository tag digest" for each manifest whose push was answered 201; other clients of the script write theirs into it too.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("say what to do: raw, resume, verify, sink or arrived, each with its arguments")
	}
	switch a, b := args[1], args[2]; args[0] {
	case "raw":
		if len(args) < 4 {
			return fmt.Errorf("raw needs to know for how many seconds")
		}
		seconds, err := strconv.Atoi(args[3])
		if err != nil {
			return fmt.Errorf("%s are no seconds: %w", args[3], err)
		}
		return raw(ctx, a, b, time.Duration(seconds)*time.Second)
	case "resume":
		return resume(ctx, a, b)
	case "verify":
		return verify(ctx, a, b)
	case "sink":
		return sink(ctx, a, b)
	case "arrived":
		return arrived(a, b)
	}
	return fmt.Errorf("%s is nothing that k8s-load does", args[0])
}
