package api

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/registryd/registryd/internal/reference"
)

// tags lists the tags of a repository (OCI distribution spec, "Listing Tags").
func (h *handler) tags(w http.ResponseWriter, r *http.Request, route route) error {
	page, err := parsePage(r.URL.Query(), func(s string) error { _, err := reference.ParseTag(s); return err })
	if err != nil {
		return err
	}
	tags, more, err := h.registry.Repository(route.name).Tags(r.Context(), page.last, page.n)
	if err != nil {
		return err
	}
	if more {
		h.linkNext(w, r, route.String(), page.after(tags))
	}
	return writeJSON(w, "application/json", struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}{string(route.name), tags})
}

// catalog lists the repositories (Docker Registry HTTP API V2, "Listing Repositories").
func (h *handler) catalog(w http.ResponseWriter, r *http.Request) error {
	page, err := parsePage(r.URL.Query(), func(s string) error { _, err := reference.ParseName(s); return err })
	if err != nil {
		return err
	}
	names, more, err := h.registry.Catalog(r.Context(), page.last, page.n)
	if err != nil {
		return err
	}
	if more {
		h.linkNext(w, r, "/v2/_catalog", page.after(names))
	}
	return writeJSON(w, "application/json", struct {
		Repositories []string `json:"repositories"`
	}{names})
}

// after is the query of the page that follows one with these entries.
func (p page) after(entries []string) url.Values {
	return url.Values{"n": {strconv.Itoa(p.n)}, "last": {entries[len(entries)-1]}}
}

// referrers lists what refers to a manifest (OCI distribution spec, "Listing Referrers").
func (h *handler) referrers(w http.ResponseWriter, r *http.Request, route route) error {
	query := r.URL.Query()
	artifactType := query.Get("artifactType")
	var after digest.Digest
	if last := query.Get("last"); last != "" {
		var err error
		if after, err = reference.ParseDigest(last); err != nil {
			return referenceError(err)
		}
	}
	list, more, err := h.registry.Repository(route.name).Referrers(r.Context(), route.digest, artifactType, after)
	if err != nil {
		return err
	}
	if more {
		next := url.Values{"last": {list[len(list)-1].Digest.String()}}
		if artifactType != "" {
			next.Set("artifactType", artifactType)
		}
		h.linkNext(w, r, route.String(), next)
	}
	if artifactType != "" {
		w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	return writeJSON(w, v1.MediaTypeImageIndex, v1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: list,
	})
}
