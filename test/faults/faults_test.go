//go:build stores

// Package faults_test holds that a registry on a store that fails, and one whose nodes are killed, loses nothing that it acknowledged, and says nothing
// wrong to anybody.
package faults_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest"
	"golang.org/x/sync/errgroup"

	"github.com/registryd/registryd/internal/api"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/drivers/s3"
	"github.com/registryd/registryd/internal/storage"
	"github.com/registryd/registryd/internal/teststore"
	"github.com/registryd/registryd/internal/uploadtoken"
)

const manifestType = v1.MediaTypeImageManifest

var seed = flag.Uint64("seed", 1, "where the random choices of TestFaults begin")

// clients is how many push and pull at once.
const clients = 100

// TestFaults lets a hundred clients push and pull at two nodes while the store loses requests and answers. Whatever happens to a request is success or
// an error that tells the client to come back; and in the end everything acknowledged is there, and once a day has passed nothing else is.
func TestFaults(t *testing.T) {
	t.Parallel()
	store := teststore.MinIO(t)
	wires := []*wire{newWire(*seed), newWire(*seed + 1)}
	w := &world{bytes: noise(*seed, 48<<20), seen: &tally{}, nodes: []string{
		serve(t, open(t, store, wires[0].wrap, 5<<20)), serve(t, open(t, store, wires[1].wrap, 8<<20)),
	}}
	start := time.Now()
	group, ctx := errgroup.WithContext(t.Context())
	for i := range clients {
		group.Go(func() error {
			if err := w.live(ctx, i); err != nil {
				return fmt.Errorf("client %d: %w", i, err)
			}
			return nil
		})
	}
	failed := group.Wait()
	t.Logf("%d clients acknowledged %d images in %.1fs", clients, len(w.images), time.Since(start).Seconds())
	for _, wire := range wires {
		t.Logf("store: %s", wire)
	}
	for _, what := range slices.Sorted(maps.Keys(w.seen.of)) {
		t.Logf("clients: %5d  %s", w.seen.of[what], what)
	}
	if failed != nil {
		t.Fatal(failed) // the others were broken off, and leave behind what they like
	}
	clean := open(t, store, nil, 0)
	w.check(t, clean)
	swept(t, store, clean)
}

// open is a driver on the store; wrap, if there is one, breaks it.
func open(t testing.TB, store teststore.S3, wrap func(http.RoundTripper) http.RoundTripper, chunk int64) *s3.Driver {
	t.Helper()
	d, err := s3.Open(t.Context(), s3.Config{
		Bucket: store.Bucket, Region: teststore.Region, RegionEndpoint: store.Endpoint, ForcePathStyle: true,
		AccessKey: teststore.AccessKey, SecretKey: teststore.SecretKey, ChunkSize: chunk, Memory: 96 << 20,
	}, s3.Options{Transport: wrap, MaxBackoff: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// serve is a node on a driver.
func serve(t testing.TB, d *s3.Driver) (url string) {
	t.Helper()
	tokens, err := uploadtoken.NewHMAC([]uploadtoken.Key{uploadtoken.KeyFromSecret("a secret that all nodes share")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	log := zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel), zaptest.WrapOptions(zap.WrapCore(onlyInternal)))
	server := httptest.NewServer(api.New(storage.New(d, storage.Options{}), tokens, api.Options{Log: log}))
	t.Cleanup(server.Close)
	return server.URL
}

// onlyInternal lets through what the log says of a 500, which must not happen, and nothing of a 503, which happens all the time.
func onlyInternal(core zapcore.Core) zapcore.Core { return internalCore{core} }

type internalCore struct{ zapcore.Core }

func (c internalCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

func (c internalCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	for _, f := range fields {
		if f.Key == "status" && f.Integer == http.StatusServiceUnavailable {
			return nil
		}
	}
	return c.Core.Write(e, fields)
}

// world is what the clients share.
type world struct {
	bytes []byte // every blob is a stretch of these
	seen  *tally
	nodes []string

	mu     sync.Mutex
	images []image // that were acknowledged
}

// image is one that was pushed.
type image struct {
	repo, tag string
	manifest  []byte
	blobs     []digest.Digest
}

func noise(seed uint64, size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b) // never fails
	return b
}

// blob draws one: empty, tiny, small or up to 24 MiB.
func (w *world) blob(random *rand.Rand) []byte {
	var size int
	switch p := random.IntN(100); {
	case p < 3:
	case p < 50:
		size = 2 + random.IntN(64<<10)
	case p < 85:
		size = 64<<10 + random.IntN(2<<20)
	case p < 96:
		size = 2<<20 + random.IntN(6<<20)
	default:
		size = 8<<20 + random.IntN(16<<20)
	}
	from := random.IntN(len(w.bytes) - size)
	return w.bytes[from : from+size]
}

// common is one of the blobs that many clients push at once.
func (w *world) common(random *rand.Rand) []byte {
	i := random.IntN(4)
	return w.bytes[i<<20 : i<<20+i<<21+100_000]
}

// live is what one client does: most push an image and pull another one, some go away in the middle of an upload.
func (w *world) live(ctx context.Context, i int) error {
	random := rand.New(rand.NewPCG(*seed, uint64(i)+100))
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	c := &client{http: &http.Client{Transport: transport}, nodes: w.nodes, random: random, seen: w.seen}
	repo := fmt.Sprintf("team/app-%d", i%5)
	if i%10 == 9 {
		how := styles[(i/10)%2*2] // those that PATCH
		from := random.IntN(len(w.bytes) / 2)
		return c.leave(ctx, repo, w.bytes[from:from+3<<20+random.IntN(8<<20)], how, i%20 == 9)
	}
	im, err := w.pushImage(ctx, c, repo, fmt.Sprintf("v%d", i))
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.images = append(w.images, im)
	other := w.images[random.IntN(len(w.images))]
	w.mu.Unlock()
	return w.pullImage(ctx, c, other)
}

func (w *world) pushImage(ctx context.Context, c *client, repo, tag string) (image, error) {
	im := image{repo: repo, tag: tag}
	blobs := [][]byte{fmt.Appendf(nil, `{"config":%q}`, tag), w.blob(c.random)}
	if c.random.IntN(2) == 0 {
		blobs = append(blobs, w.blob(c.random))
	}
	if c.random.IntN(4) == 0 {
		blobs = append(blobs, w.common(c.random))
	}
	m := v1.Manifest{MediaType: manifestType}
	m.SchemaVersion = 2
	for n, blob := range blobs {
		d := digest.FromBytes(blob)
		how := styles[c.random.IntN(len(styles))]
		if err := c.push(ctx, repo, blob, how); err != nil {
			return im, fmt.Errorf("push %s of %d bytes as %s: %w", d, len(blob), how.name, err)
		}
		im.blobs = append(im.blobs, d)
		described := v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: d, Size: int64(len(blob))}
		if n == 0 {
			m.Config = described
			continue
		}
		m.Layers = append(m.Layers, described)
	}
	var err error
	if im.manifest, err = json.Marshal(m); err != nil {
		return im, err
	}
	_, err = c.insist(ctx, http.MethodPut, "/v2/"+repo+"/manifests/"+tag, &part{content: im.manifest}, http.StatusCreated)
	return im, err
}

func (w *world) pullImage(ctx context.Context, c *client, im image) error {
	if err := w.findImage(ctx, c, im); err != nil {
		return err
	}
	for _, d := range im.blobs {
		if err := c.pull(ctx, im.repo, d); err != nil {
			return fmt.Errorf("pull %s: %w", d, err)
		}
	}
	return nil
}

// findImage looks whether an image is there, without reading its blobs.
func (w *world) findImage(ctx context.Context, c *client, im image) error {
	a, err := c.insist(ctx, http.MethodGet, "/v2/"+im.repo+"/manifests/"+im.tag, nil, http.StatusOK)
	if err != nil {
		return err
	}
	if string(a.body) != string(im.manifest) {
		return errWrong{fmt.Errorf("%s:%s is not what was pushed", im.repo, im.tag)}
	}
	for _, d := range im.blobs {
		if _, err := c.insist(ctx, http.MethodHead, "/v2/"+im.repo+"/blobs/"+d.String(), nil, http.StatusOK); err != nil {
			return fmt.Errorf("look for %s: %w", d, err)
		}
	}
	return nil
}

// check looks at the store through a driver that does not fail: fsck has read every byte, so that the digests need no second look.
func (w *world) check(t *testing.T, d *s3.Driver) {
	t.Helper()
	sound(t, d, 0, storage.FsckOptions{Deep: true})
	c := &client{http: http.DefaultClient, nodes: []string{serve(t, d)}, random: rand.New(rand.NewPCG(0, 0)), seen: &tally{}}
	for _, im := range w.images {
		if err := w.findImage(t.Context(), c, im); err != nil {
			t.Errorf("%s:%s was acknowledged: %v", im.repo, im.tag, err)
		}
	}
	for what := range c.seen.of {
		if !strings.HasSuffix(what, " 200") {
			t.Errorf("on a store that does not fail: %s", what)
		}
	}
}

// sound runs fsck at a later time and fails on damage. It gives what was found.
func sound(t *testing.T, d *s3.Driver, later time.Duration, opts storage.FsckOptions) (found []storage.Finding) {
	t.Helper()
	opts.Finding = func(f storage.Finding) {
		found = append(found, f)
		if f.Severity == storage.Damage {
			t.Errorf("damage at %s: %s", f.Key, f.Message)
		}
	}
	registry := storage.New(drivertest.NewLater(d, later), storage.Options{Now: func() time.Time { return time.Now().Add(later) }})
	s, err := registry.Fsck(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("fsck: %+v", s)
	return found
}
