package storage

import (
	"context"
	"errors"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/reference"
)

// historyLength is how many digests a tag remembers.
const historyLength = 50

// tagRecord says where a tag points, and where it pointed before, newest first.
type tagRecord struct {
	header
	Digest    digest.Digest `json:"digest"`
	MediaType string        `json:"mediaType"`
	Size      int64         `json:"size"`
	Time      time.Time     `json:"time"`            // when it was set
	Entry     string        `json:"entry,omitempty"` // id, in the journal, of the push that set it
	Born      string        `json:"born,omitempty"`  // likewise of the push that made it anew when it had been deleted; empty where it never was
	Link      string        `json:"link,omitempty"`  // the life of the manifest's link that it was set under (revision.life); empty where that is not known
	History   []TagEvent    `json:"history,omitempty"`
}

// TagEvent is one place that a tag pointed to, and since when.
type TagEvent struct {
	Digest digest.Digest `json:"digest"`
	Time   time.Time     `json:"time"`
	Entry  string        `json:"entry,omitempty"` // id, in the journal, of the last push that set it so
}

// over is the record that follows t when the tag is moved to want.
func (t *tagRecord) over(want tagRecord) tagRecord {
	if t == nil {
		return want
	}
	want.History, want.Born = t.History, t.Born
	if t.Digest != want.Digest {
		want.History = append([]TagEvent{t.now()}, t.History...)
		want.History = want.History[:min(len(want.History), historyLength)]
	}
	return want
}

// now is where the tag points.
func (t *tagRecord) now() TagEvent { return TagEvent{t.Digest, t.Time, t.Entry} }

// stale says that the tag was set under a link that was buried since: link stands there now, in the place of one that was. A tag of CNCF Distribution's,
// which no push has set, was there before all. Of one that an earlier release set, nobody knows, and it stays.
func (t *tagRecord) stale(link *revision) bool {
	return t.Link != link.life() && (t.Link != "" || t.Entry == "")
}

// setTag points a tag at a manifest whose link is live, and leaves both live even while the manifest is being deleted. cur is the tag as it was read
// before the link was; ensure reads the link again and makes it live.
//
// A deletion buries the link first, then every marked tag that was set under it, and gives the others a new nonce (see DeleteManifest). So a swap that
// succeeds on a live tag, or on none, was overtaken by no deletion: one that comes later sees the tag. Where the swap fails, or stood on a tombstone,
// on which a deletion leaves no trace, the link must still have the life that it had before; else the tag is written once more, behind the new link.
// stood says whether there was such a tag before, which others may remember; life is that of the link that the tag was set under.
//
// A tag that points to the right place already is written all the same, so that a deletion does not take it for one that was there before.
func (r *Repository) setTag(ctx context.Context, tag reference.Tag, cur stored[tagRecord], want tagRecord, link stored[revision], ensure func() (stored[revision], error)) (stood bool, life string, err error) {
	for {
		life = link.Value.life()
		stood = stood || cur.etag != "" || cur.live()
		unseen := cur.etag != "" && !cur.live()
		next := cur.Value.over(want)
		next.Link = life
		if unseen {
			next.Born = want.Entry // what the tag was before is forgotten
		}
		now, err := swap(ctx, r.registry.driver, r.keys.tag(tag), cur, next)
		if err != nil && !errors.Is(err, drivers.ErrPrecondition) {
			return stood, life, err
		}
		if err == nil && !unseen {
			return stood, life, nil
		}
		again, ensureErr := ensure()
		if ensureErr != nil {
			return stood, life, ensureErr
		}
		if err == nil && again.Value.life() == life {
			return stood, life, nil
		}
		cur, link = now, again
	}
}

// History is where the tag points and pointed, newest first, at most 51 places; ManifestUnknown where there is no such tag.
func (r *Repository) History(ctx context.Context, tag reference.Tag) ([]TagEvent, error) {
	cur, err := r.loadTag(ctx, tag)
	if err != nil {
		return nil, err
	}
	if !cur.live() {
		return nil, manifestUnknown(reference.Reference{Tag: tag})
	}
	return append([]TagEvent{cur.Value.now()}, cur.Value.History...), nil
}

// DeleteTag takes a tag away, at once. The manifest stays. The note goes into the journal.
func (r *Repository) DeleteTag(ctx context.Context, tag reference.Tag, note []byte) error {
	if err := r.registry.deletable(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, PushTime)
	defer cancel()
	key := r.keys.tag(tag)
	cur, err := r.loadTag(ctx, tag)
	if err != nil {
		return err
	}
	entry, err := r.enterDeletion(ctx, cur.live(), Entry{Tags: []reference.Tag{tag}, Note: note}, func() string { return cur.Value.Born })
	if err != nil {
		return err
	}
	buried, err := bury(ctx, r.registry.driver, key, cur, nil)
	if err == nil && (buried || cur.etag != "") {
		err = r.registry.changed(ctx, key)
	}
	if err == nil {
		err = inTime(ctx)
	}
	if err != nil {
		return err
	}
	if !buried {
		return manifestUnknown(reference.Reference{Tag: tag})
	}
	r.registry.committed(entry)
	return nil
}
