//go:build stores

package legacy_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
)

// What CNCF Distribution writes after its store was brought over is found, all of it and nothing else, and nothing is done to it. Once it is copied, all is well.
func TestDistributionComesBack(t *testing.T) {
	t.Parallel()
	for name, open := range sites {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, w := open(t), &world{map[string]*repo{}}
			image := func(c client, repo string, seed uint64, tags ...string) string {
				return repo + "@" + w.push(c, repo, ociImage, nil, [][]byte{noise(seed, 500)}, tags...).String()
			}
			at.asDistribution(t, func(c client) {
				image(c, "demo", 1, "v1", "same")
				image(c, "demo", 2, "moved", "dropped", "again")
			})
			at.asStore(t, func(driver drivers.Driver) {
				n := serve(t, driver)
				_, err := n.registry.Import(t.Context(), storage.ImportOptions{})
				must(t, err)
				image(n.client, "demo", 3, "moved", "ours")
				for _, tag := range []string{"dropped", "again"} {
					n.want(202, "DELETE", "/v2/demo/manifests/"+tag, "", nil)
					delete(w.repo("demo").tags, tag)
				}
				image(n.client, "demo", 4, "again")
				w.repo("demo").gone = []string{"dropped"}
				if late, err := n.registry.Late(t.Context(), nil); err != nil || late.Any() {
					t.Errorf("nobody wrote anything, and late are %+v, %v", late, err)
				}
			})

			var tags, manifests []string
			at.asDistribution(t, func(c client) {
				manifests = append(manifests, image(c, "demo", 5, "v1"), image(c, "demo", 6, "v2"), image(c, "other/one", 7, "v1"))
				tags = []string{"demo:v1", "demo:v2", "other/one:v1"}
				manifests = append(manifests, "demo@"+w.refer(c, "demo", "v2", 8).String())
				slices.Sort(manifests)
			})
			at.asStore(t, func(driver drivers.Driver) {
				n, before := serve(t, driver), keys(t, driver)
				for range 2 {
					done, err := n.registry.Import(t.Context(), storage.ImportOptions{})
					if err != nil || done != (storage.Imported{}) {
						t.Errorf("another pass brought over %+v, %v", done, err)
					}
					late, err := n.registry.Late(t.Context(), nil)
					if err != nil || !slices.Equal(late.Tags, tags) || !slices.Equal(late.Manifests, manifests) || late.Blobs != 12 {
						t.Errorf("late are %+v, %v, want %q, %q and 12 blobs", late, err, tags, manifests)
					}
				}
				damage := map[string]string{}
				later := storage.New(drivertest.NewLater(driver, 48*time.Hour), storage.Options{Now: func() time.Time { return time.Now().Add(48 * time.Hour) }})
				_, err := later.Fsck(context.Background(), storage.FsckOptions{Prune: true, Finding: func(f storage.Finding) {
					if f.Severity == storage.Damage {
						damage[f.Key] = f.Message
					}
				}})
				must(t, err)
				for _, tag := range tags {
					repo, tag, _ := strings.Cut(tag, ":")
					key := storage.DefaultRoot + "/repositories/" + repo + "/_manifests/tags/" + tag + "/current/link"
					if !strings.Contains(damage[key], "after its store was brought over") {
						t.Errorf("fsck says %q of %s", damage[key], key)
					}
				}
				after := keys(t, driver)
				for key := range before {
					if _, ok := after[key]; !ok {
						t.Errorf("%s was removed", key)
					}
				}

				// A client that has it pushes it, as it must.
				image(n.client, "demo", 5, "v1")
				image(n.client, "demo", 6, "v2")
				image(n.client, "other/one", 7, "v1")
				w.refer(n.client, "demo", "v2", 8)
				if late, err := n.registry.Late(t.Context(), nil); err != nil || late.Any() {
					t.Errorf("after all was copied, late are %+v, %v", late, err)
				}
				w.check(n.client, true)
				sound(t, driver, storage.FsckOptions{})
			})
		})
	}
}
