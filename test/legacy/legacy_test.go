//go:build stores

package legacy_test

import (
	"context"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/api"
	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	fsdriver "github.com/registryd/registryd/internal/drivers/fs"
	"github.com/registryd/registryd/internal/drivers/s3"
	"github.com/registryd/registryd/internal/storage"
	"github.com/registryd/registryd/internal/teststore"
	"github.com/registryd/registryd/internal/uploadtoken"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// node is a registryd over a store.
type node struct {
	client
	registry *storage.Registry
	calls    *drivertest.Faulty
}

// serve opens a store as a node does.
func serve(t testing.TB, driver drivers.Driver) node {
	t.Helper()
	calls := drivertest.NewFaulty(driver, nil)
	registry := storage.New(calls, storage.Options{})
	must(t, registry.Prepare(t.Context()))
	tokens, err := uploadtoken.NewHMAC([]uploadtoken.Key{uploadtoken.KeyFromSecret("a secret that all nodes share")}, nil)
	must(t, err)
	handler := api.New(registry, tokens, api.Options{Log: zap.NewNop(), Instance: "node"})
	return node{client{t, "http://node", handler}, registry, calls}
}

// sound runs fsck and fails on damage, and on keys that it does not know.
func sound(t testing.TB, driver drivers.Driver, opts storage.FsckOptions) storage.FsckSummary {
	t.Helper()
	opts.Deep = true
	opts.Finding = func(f storage.Finding) {
		if f.Severity == storage.Damage || strings.Contains(f.Message, "not one of registryd's") {
			t.Errorf("%s: %s: %s", f.Severity, f.Key, f.Message)
		}
	}
	s, err := storage.New(driver, storage.Options{}).Fsck(context.Background(), opts)
	must(t, err)
	return s
}

// site is a place that CNCF Distribution and registryd take turns in.
type site struct {
	distribution func(*testing.T) *teststore.Process
	open         func(*testing.T) drivers.Driver
}

func folder(t *testing.T) site {
	dir := t.TempDir()
	return site{
		func(t *testing.T) *teststore.Process { return teststore.DistributionInDirectory(t, dir) },
		func(t *testing.T) drivers.Driver {
			driver, err := fsdriver.Open(dir, fsdriver.Options{})
			must(t, err)
			return driver
		},
	}
}

func bucket(t *testing.T) site {
	store := teststore.MinIO(t)
	return site{
		func(t *testing.T) *teststore.Process { return teststore.DistributionInBucket(t, store) },
		func(t *testing.T) drivers.Driver {
			driver, err := s3.Open(t.Context(), s3.Config{
				Bucket: store.Bucket, Region: teststore.Region, RegionEndpoint: store.Endpoint, AccessKey: teststore.AccessKey, SecretKey: teststore.SecretKey, ForcePathStyle: true,
			}, s3.Options{})
			must(t, err)
			return driver
		},
	}
}

// asDistribution does something to a CNCF Distribution over the site.
func (s site) asDistribution(t *testing.T, do func(client)) {
	t.Helper()
	p := s.distribution(t)
	defer p.Stop()
	do(client{t, "http://" + p.Addr, nil})
}

// asStore does something to the store, which nobody else has open meanwhile.
func (s site) asStore(t *testing.T, do func(drivers.Driver)) {
	t.Helper()
	driver := s.open(t)
	defer func() { must(t, driver.Close()) }()
	do(driver)
}

var sites = map[string]func(*testing.T) site{"directory": folder, "bucket": bucket}

// change does to a registry what clients do, in repositories that CNCF Distribution wrote.
func (w *world) change(c client) {
	c.Helper()
	a, layer := w.repo("a"), noise(1, 3000)

	// Retag, and move a tag.
	image := a.manifests[a.tags["1.2"]]
	c.putManifest("a", "stable", image.mediaType, image.content)
	c.putManifest("a", "next", image.mediaType, image.content)
	a.tags["stable"], a.tags["next"] = a.tags["1.2"], a.tags["1.2"]

	// Push on top of what is there, beside it, and into a new repository by a mount.
	w.push(c, "a", ociImage, nil, [][]byte{layer, noise(20, 2000)}, "new")
	w.push(c, "a-a", ociImage, nil, [][]byte{noise(21, 2000)}, "new")
	d := digest.FromBytes(layer)
	c.want(http.StatusCreated, http.MethodPost, "/v2/mounted/blobs/uploads/?mount="+d.String()+"&from=a", "", nil)
	w.push(c, "mounted", ociImage, nil, [][]byte{layer}, "v1")

	// Delete a tag, a manifest with its tags, and a blob.
	c.want(http.StatusAccepted, http.MethodDelete, "/v2/a/manifests/10", "", nil)
	delete(a.tags, "10")
	a.gone = append(a.gone, "10")
	oci := w.repo("a/b").tags["oci"]
	c.want(http.StatusAccepted, http.MethodDelete, "/v2/a/b/manifests/"+oci.String(), "", nil)
	w.deleted("a/b", oci)
	big := w.repo("a-b")
	for d, content := range big.blobs {
		if len(content) > 1000 {
			c.want(http.StatusAccepted, http.MethodDelete, "/v2/a-b/blobs/"+d.String(), "", nil)
			delete(big.blobs, d)
			big.goneBlobs = append(big.goneBlobs, d)
		}
	}
}

// A store that CNCF Distribution wrote is served from the first second, can be changed, and is brought over without that anybody sees it.
func TestOpensInPlace(t *testing.T) {
	t.Parallel()
	for name, open := range sites {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, w := open(t), (*world)(nil)
			at.asDistribution(t, func(c client) { w = populate(c, 6<<20) })
			driver := at.open(t)
			t.Cleanup(func() { _ = driver.Close() })
			one := serve(t, driver)
			if !one.registry.Importing() {
				t.Fatal("the store was not recognised")
			}
			w.check(one.client, false)
			before := sound(t, driver, storage.FsckOptions{})

			w.change(one.client)
			w.check(one.client, false)
			w.check(serve(t, driver).client, false)
			sound(t, driver, storage.FsckOptions{})

			left, err := storage.New(driver, storage.Options{}).Import(t.Context(), storage.ImportOptions{DryRun: true})
			must(t, err)
			start := time.Now()
			done, err := one.registry.Import(t.Context(), storage.ImportOptions{})
			must(t, err)
			t.Logf("left %+v, brought over %+v in %s", left, done, time.Since(start))
			if done.Blobs == 0 || done.Tags == 0 || done.Manifests == 0 || done.Referrers == 0 || done.Repositories == 0 || left.Blobs < done.Blobs || left.Tags != done.Tags {
				t.Errorf("brought over %+v where the dry run said %+v", done, left)
			}
			if one.registry.Importing() {
				t.Error("something is left")
			}
			w.check(one.client, true)

			two := serve(t, driver)
			w.check(two.client, true)
			for _, call := range two.calls.Calls() {
				if strings.Contains(call.Key, "/_manifests/tags/") || strings.HasSuffix(call.Key, "/repositories/") || call.Op == drivertest.OpStat && strings.HasSuffix(call.Key, "/data") {
					t.Errorf("%v looks in an old place", call)
				}
			}
			if again, err := two.registry.Import(t.Context(), storage.ImportOptions{}); err != nil || again != (storage.Imported{}) {
				t.Errorf("a second pass brought over %+v, %v", again, err)
			}
			after := sound(t, driver, storage.FsckOptions{})
			t.Logf("fsck before %+v\nand after %+v", before, after)

			later := storage.New(drivertest.NewLater(driver, 48*time.Hour), storage.Options{Now: func() time.Time { return time.Now().Add(48 * time.Hour) }})
			_, err = later.Fsck(t.Context(), storage.FsckOptions{Prune: true})
			must(t, err)
			_, err = later.NewJanitor().Run(t.Context(), storage.JanitorOptions{})
			must(t, err)
			w.check(two.client, true)
			for key := range keys(t, driver) {
				if strings.Contains(key, "/_uploads/") {
					t.Errorf("%s was left behind", key)
				}
			}
		})
	}
}

func keys(t testing.TB, driver drivers.Driver) map[string]drivers.Info {
	t.Helper()
	all, opts := map[string]drivers.Info{}, drivers.ListOptions{}
	for {
		page, err := driver.List(t.Context(), opts)
		must(t, err)
		for _, info := range page.Objects {
			all[info.Key] = info
		}
		if opts.After = page.Next; opts.After == "" {
			return all
		}
	}
}

// files is a directory that CNCF Distribution wrote, to be copied into memory.
type files struct {
	content map[string][]byte
	world   *world
}

func readFiles(t *testing.T) files {
	t.Helper()
	dir := t.TempDir()
	distribution := teststore.DistributionInDirectory(t, dir)
	f := files{map[string][]byte{}, populate(client{t, "http://" + distribution.Addr, nil}, 5000)}
	distribution.Stop()
	root := os.DirFS(dir)
	must(t, fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		f.content[name], err = fs.ReadFile(root, name)
		return err
	}))
	return f
}

func (f files) open(t *testing.T) *drivertest.Fake {
	t.Helper()
	fake := drivertest.NewFake(t)
	for key, content := range f.content {
		_, err := fake.Put(t.Context(), key, strings.NewReader(string(content)), drivers.Cond{})
		must(t, err)
	}
	return fake
}

// The pass dies at each call of the store: at every other one in each of the tests, which is not applied and not answered in turn. What was there is served,
// can be changed, and the next pass ends what this one began.
func TestPassDies(t *testing.T) {
	t.Parallel()
	f := readFiles(t)
	t.Run("after changes", func(t *testing.T) {
		t.Parallel()
		f.crashes(t, 1, func(fake *drivertest.Fake, w *world) { w.change(serve(t, fake).client) }, func(node, *world) {})
	})
	t.Run("before changes", func(t *testing.T) {
		t.Parallel()
		f.crashes(t, 2, func(*drivertest.Fake, *world) {}, func(n node, w *world) { w.change(n.client) })
	})
}

func (f files) crashes(t *testing.T, first int, before func(*drivertest.Fake, *world), after func(node, *world)) {
	outcomes := []drivertest.Outcome{drivertest.NotApplied, drivertest.Unanswered}
	for n, times := first, 0; ; n, times = n+2, times+1 {
		w, fake := f.world.copy(), f.open(t)
		before(fake, w)
		faulty := drivertest.NewFaulty(fake, nil)
		faulty.CrashAt(n, outcomes[times%2])
		_, err := storage.New(faulty, storage.Options{}).Import(t.Context(), storage.ImportOptions{})
		at, crashed := faulty.Crashed()
		if crashed == (err == nil) {
			t.Fatalf("died in %v: the pass said %v", at, err)
		}
		one := serve(t, fake)
		after(one, w)
		w.check(one.client, false)
		_, err = one.registry.Import(t.Context(), storage.ImportOptions{})
		must(t, err)
		w.check(serve(t, fake).client, true)
		sound(t, fake, storage.FsckOptions{})
		fake.AssertClosed(t)
		if t.Failed() {
			t.Fatalf("it had died in %v", at)
		}
		if !crashed {
			t.Logf("it died %d times", times)
			return
		}
	}
}

// Two passes run while clients push and delete through two nodes.
func TestPassBesideClients(t *testing.T) {
	t.Parallel()
	f := readFiles(t)
	for range 10 {
		w, fake := f.world.copy(), f.open(t)
		one, two := serve(t, fake), serve(t, fake)
		var all sync.WaitGroup
		for _, n := range []node{one, two} {
			all.Go(func() {
				if _, err := n.registry.Import(t.Context(), storage.ImportOptions{}); err != nil {
					t.Error(err)
				}
			})
		}
		w.change(two.client)
		w.check(two.client, false)
		all.Wait()
		w.check(one.client, true)
		w.check(serve(t, fake).client, true)
		sound(t, fake, storage.FsckOptions{})
		fake.AssertClosed(t)
	}
}

// A store that is empty is ours at once, and costs nothing ever after.
func TestFreshStore(t *testing.T) {
	t.Parallel()
	fake := drivertest.NewFake(t)
	first := serve(t, fake)
	if first.registry.Importing() || len(first.calls.Calls()) != 3 {
		t.Errorf("the first start made the calls %v", first.calls.Calls())
	}
	w := &world{map[string]*repo{}}
	w.push(first.client, "a", ociImage, nil, [][]byte{noise(1, 10)}, "v1")
	second := serve(t, fake)
	if second.registry.Importing() || len(second.calls.Calls()) != 1 {
		t.Errorf("another start made the calls %v", second.calls.Calls())
	}
	w.check(second.client, true)
	if slices.ContainsFunc(second.calls.Calls()[1:], func(c drivertest.Call) bool {
		return strings.Contains(c.Key, "/meta/") || strings.Contains(c.Key, "/_manifests/tags/")
	}) {
		t.Errorf("a store of ours looks in old places: %v", second.calls.Calls())
	}
}
