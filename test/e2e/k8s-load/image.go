package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// image is the manifest of one layer; its config says what nobody else's does, so that each manifest has a digest of its own.
func image(layer digest.Digest, size int64, name string) (config, manifest []byte, err error) {
	if config, err = json.Marshal(map[string]any{"name": name}); err != nil {
		return nil, nil, err
	}
	m := v1.Manifest{
		MediaType:    v1.MediaTypeImageManifest,
		ArtifactType: "application/vnd.example.load",
		Config:       v1.Descriptor{MediaType: "application/vnd.example.load.config+json", Digest: digest.FromBytes(config), Size: int64(len(config))},
		Layers:       []v1.Descriptor{{MediaType: "application/octet-stream", Digest: layer, Size: size}},
	}
	m.SchemaVersion = 2
	manifest, err = json.Marshal(m)
	return config, manifest, err
}

// ack is a push that was answered 201.
type ack struct{ repository, tag, digest string }

// ackFile collects them, a line each, in a single write: other processes append to the file too.
type ackFile struct {
	mu   sync.Mutex
	file *os.File
}

func openAcks(name string) (*ackFile, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	return &ackFile{file: f}, err
}

func (f *ackFile) add(a ack) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := fmt.Fprintf(f.file, "%s %s %s\n", a.repository, a.tag, a.digest)
	return err
}

func readAcks(name string) (all []ack, err error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return nil, fmt.Errorf("%s has a line that is no acknowledged push: %q", name, line)
		}
		all = append(all, ack{fields[0], fields[1], fields[2]})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s is empty: nothing was pushed", name)
	}
	return all, nil
}
