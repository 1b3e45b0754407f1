//go:build stores

package legacy_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/api"
	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
	"github.com/registryd/registryd/internal/teststore"
	"github.com/registryd/registryd/internal/uploadtoken"
)

// serveReadOnly opens a store as a node does that shall write nothing.
func serveReadOnly(t testing.TB, driver drivers.Driver) node {
	t.Helper()
	calls := drivertest.NewFaulty(driver, nil)
	registry := storage.New(calls, storage.Options{ReadOnly: true})
	must(t, registry.Prepare(t.Context()))
	tokens, err := uploadtoken.NewHMAC([]uploadtoken.Key{uploadtoken.KeyFromSecret("a secret that all nodes share")}, nil)
	must(t, err)
	handler := api.New(registry, tokens, api.Options{Log: zap.NewNop(), Instance: "node", ReadOnly: true})
	return node{client{t, "http://node", handler}, registry, calls}
}

// checkDistribution is check for CNCF Distribution, which has no referrers API, and an order of its own for names.
func (w *world) checkDistribution(c client) {
	c.Helper()
	names := c.list("/v2/_catalog", "repositories", 1000)
	slices.Sort(names)
	if want := slices.Sorted(maps.Keys(w.repos)); !slices.Equal(names, want) {
		c.Errorf("catalog: %q, want %q", names, want)
	}
	for name, r := range w.canonical().repos {
		tags := c.list("/v2/"+name+"/tags/list", "tags", 1000)
		slices.Sort(tags)
		if want := slices.Sorted(maps.Keys(r.tags)); !slices.Equal(tags, want) {
			c.Errorf("tags of %s: %q, want %q", name, tags, want)
		}
		r.checkContent(c, name)
	}
}

// Until somebody changes something through registryd, CNCF Distribution goes on where it stopped, whether registryd served read-only or brought all over.
func TestGoesBackInPlace(t *testing.T) {
	t.Parallel()
	for name, open := range sites {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, w := open(t), (*world)(nil)
			at.asDistribution(t, func(c client) { w = populate(c, 6<<20) })
			at.asStore(t, func(driver drivers.Driver) {
				before := keys(t, driver)
				n := serveReadOnly(t, driver)
				w.canonical().check(n.client, false)
				n.want(http.StatusMethodNotAllowed, http.MethodDelete, "/v2/a/manifests/10", "", nil)
				if after := keys(t, driver); !maps.Equal(before, after) {
					t.Errorf("the store was changed: %d objects, now %d", len(before), len(after))
				}
			})
			at.asDistribution(t, func(c client) {
				w.checkDistribution(c)
				w.push(c, "a", ociImage, nil, [][]byte{noise(30, 100), noise(1, 3000)}, "between", "next")
			})
			at.asStore(t, func(driver drivers.Driver) {
				n := serve(t, driver)
				_, err := n.registry.Import(t.Context(), storage.ImportOptions{})
				must(t, err)
				w.check(n.client, true)
				if late, err := n.registry.Late(t.Context(), nil); err != nil || late.Any() {
					t.Errorf("late are %+v, %v", late, err)
				}
			})
			at.asDistribution(t, func(c client) {
				w.checkDistribution(c)
				w.push(c, "a", ociImage, nil, [][]byte{noise(31, 100), noise(30, 100)}, "after", "next")
				c.want(http.StatusAccepted, http.MethodDelete, "/v2/a/manifests/"+w.repo("a").tags["1.2"].String(), "", nil)
				w.deleted("a", w.repo("a").tags["1.2"])
				w.checkDistribution(c)
			})
		})
	}
}

// Later, everything is copied from a registryd that is read-only to a CNCF Distribution over another store, as docs/migration.md says: each tag with all that
// hangs on it, and then all that refers to any of that.
func TestGoesBackByCopying(t *testing.T) {
	t.Parallel()
	from, to, w := folder(t), folder(t), (*world)(nil)
	from.asDistribution(t, func(c client) { w = populate(c, 100<<10) })
	from.asStore(t, func(driver drivers.Driver) {
		n := serve(t, driver)
		_, err := n.registry.Import(t.Context(), storage.ImportOptions{})
		must(t, err)
		w.change(n.client)
		w.changeMore(n.client)
		w.check(n.client, true)
	})
	from.asStore(t, func(driver drivers.Driver) {
		source := serveReadOnly(t, driver)
		server := httptest.NewServer(source.handler)
		defer server.Close()
		kept := w.copy()
		to.asDistribution(t, func(c client) {
			b := &back{skopeo: teststore.Skopeo(t), home: t.TempDir(), from: client{t, server.URL, nil}, to: c}
			must(t, os.WriteFile(filepath.Join(b.home, "registries.conf"), nil, 0o600))
			b.copy()
			for name, r := range kept.repos {
				r.keep(b.copied[name])
				maps.Copy(r.tags, b.fallback[name])
				maps.Copy(r.manifests, b.indexes[name])
			}
			kept.checkDistribution(c)
		})
	})
}

// changeMore adds what a copy by tags could miss, and takes away what cannot be copied: an image whose layer was deleted.
func (w *world) changeMore(c client) {
	c.Helper()
	broken := w.repo("a-b").tags["big"]
	c.want(http.StatusAccepted, http.MethodDelete, "/v2/a-b/manifests/"+broken.String(), "", nil)
	w.deleted("a-b", broken)
	w.push(c, "a-b", ociImage, nil, [][]byte{noise(39, 900)}, "small")
	amd, arm := w.push(c, "fresh/app", ociImage, nil, [][]byte{noise(40, 900)}), w.push(c, "fresh/app", ociImage, nil, [][]byte{noise(41, 900)})
	w.referTo(c, "fresh/app", w.index(c, "fresh/app", ociIndex, []digest.Digest{amd, arm}, "multi"), 42)
	w.referTo(c, "fresh/app", amd, 43)
	w.refer(c, "a", "stable", 44)
	w.referTo(c, "a", w.refer(c, "a", "new", 46), 47)
	w.push(c, "a", ociImage, nil, [][]byte{noise(48, 10)}, strings.Replace(w.repo("a").tags["new"].String(), ":", "-", 1)+".sig")
	w.push(c, "a", ociImage, nil, [][]byte{noise(49, 10)}) // nothing leads here
}

// keep takes out of the world what was not copied, which must be only what nothing leads to.
func (r *repo) keep(copied map[digest.Digest]bool) {
	blobs := map[digest.Digest][]byte{}
	for d, m := range r.manifests {
		if !copied[d] {
			delete(r.manifests, d)
			r.gone = append(r.gone, d.String())
			continue
		}
		for _, blob := range parse(m.content).blobs() {
			blobs[blob] = r.blobs[blob]
		}
	}
	r.blobs = blobs
}

// links are what a manifest names.
type links struct {
	Config            *struct{ Digest digest.Digest }
	Layers, Manifests []struct{ Digest digest.Digest }
}

func parse(content []byte) (l links) {
	if err := json.Unmarshal(content, &l); err != nil {
		panic(err)
	}
	return l
}

func (l links) blobs() (all []digest.Digest) {
	if l.Config != nil {
		all = append(all, l.Config.Digest)
	}
	for _, layer := range l.Layers {
		all = append(all, layer.Digest)
	}
	return all
}

// back copies registries with skopeo, and what skopeo does not know of, referrers, by hand.
type back struct {
	skopeo, home string
	from, to     client

	copied   map[string]map[digest.Digest]bool
	fallback map[string]map[string]digest.Digest
	indexes  map[string]map[digest.Digest]document
}

func (b *back) copy() {
	b.from.Helper()
	b.copied, b.fallback, b.indexes = map[string]map[digest.Digest]bool{}, map[string]map[string]digest.Digest{}, map[string]map[digest.Digest]document{}
	for _, name := range b.from.list("/v2/_catalog", "repositories", 2) {
		b.copied[name], b.fallback[name], b.indexes[name] = map[digest.Digest]bool{}, map[string]digest.Digest{}, map[digest.Digest]document{}
		for _, tag := range b.from.list("/v2/"+name+"/tags/list", "tags", 2) {
			b.run("copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--all", "--preserve-digests", b.ref(b.from, name, tag), b.ref(b.to, name, tag))
			a := b.from.want(http.StatusOK, http.MethodGet, "/v2/"+name+"/manifests/"+tag, "", nil)
			b.follow(name, digest.Digest(a.header.Get("Docker-Content-Digest")))
		}
	}
}

func (b *back) ref(c client, name, tag string) string {
	return strings.Replace(c.url, "http:", "docker:", 1) + "/" + name + ":" + tag
}

func (b *back) run(args ...string) {
	b.from.Helper()
	cmd := exec.CommandContext(b.from.Context(), b.skopeo, append([]string{"--insecure-policy", "--registries.d", b.home}, args...)...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + b.home, "TMPDIR=" + b.home, "XDG_RUNTIME_DIR=" + b.home, "XDG_DATA_HOME=" + b.home,
		"REGISTRY_AUTH_FILE=" + filepath.Join(b.home, "auth.json"), "CONTAINERS_REGISTRIES_CONF=" + filepath.Join(b.home, "registries.conf"),
		"_CONTAINERS_ROOTLESS_UID=1", // root's cache of which blob is where is one for the machine, that of others is at home
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		b.from.Fatalf("skopeo %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// follow goes on from a manifest that was copied to what it names and what refers to it.
func (b *back) follow(name string, d digest.Digest) {
	b.from.Helper()
	if b.copied[name][d] {
		return
	}
	b.copied[name][d] = true
	m := b.from.want(http.StatusOK, http.MethodGet, "/v2/"+name+"/manifests/"+d.String(), "", nil)
	for _, child := range parse(m.body).Manifests {
		b.follow(name, child.Digest)
	}
	list := b.from.want(http.StatusOK, http.MethodGet, "/v2/"+name+"/referrers/"+d.String(), "", nil)
	referrers := parse(list.body).Manifests
	for _, referrer := range referrers {
		m := b.from.want(http.StatusOK, http.MethodGet, "/v2/"+name+"/manifests/"+referrer.Digest.String(), "", nil)
		for _, blob := range parse(m.body).blobs() {
			content := b.from.want(http.StatusOK, http.MethodGet, "/v2/"+name+"/blobs/"+blob.String(), "", nil).body
			b.to.pushBlob(name, content, blob.Algorithm())
		}
		b.to.putManifest(name, referrer.Digest.String(), m.header.Get("Content-Type"), m.body)
		b.follow(name, referrer.Digest)
	}
	if len(referrers) == 0 {
		return
	}
	// A client of a registry without a referrers API lists them under this tag.
	tag := strings.Replace(d.String(), ":", "-", 1)
	b.to.putManifest(name, tag, ociIndex, list.body)
	index := digest.FromBytes(list.body)
	b.fallback[name][tag], b.indexes[name][index] = index, document{ociIndex, list.body}
	b.copied[name][index] = true
}
