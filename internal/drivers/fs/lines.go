package fs

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"
)

// staged is the staging file of the uploads under key. Keys may be longer than names of files, so it is named by the key's hash.
func staged(key string) string {
	sum := sha256.Sum256([]byte(key))
	return stagingDir + "/" + hex.EncodeToString(sum[:])
}

// line is what this process knows of a staging file while calls are at work on it.
type line struct {
	users int // under lines.mu

	mu    sync.Mutex // held while the file is written to, committed or removed; never while waiting for a client
	owner *appender  // the one that may make the file longer, if any
}

// lines holds the lines in use, by staging file.
type lines struct {
	mu sync.Mutex
	m  map[string]*line
}

func (l *lines) init() { l.m = make(map[string]*line) }

// use gives the line of a staging file, the same to all who use it at once, and what gives it back.
func (l *lines) use(file string) (_ *line, done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln := l.m[file]
	if ln == nil {
		ln = &line{}
		l.m[file] = ln
	}
	ln.users++
	return ln, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if ln.users--; ln.users == 0 {
			delete(l.m, file)
		}
	}
}
