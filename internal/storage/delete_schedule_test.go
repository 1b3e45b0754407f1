package storage_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// scene is all that clients see of a repository with two manifests and two tags: whether the wanted one is there, and where the tags a and b point. The other
// manifest is never deleted.
type scene struct {
	live bool
	tags [2]digest.Digest
}

// move is what one client does, and what comes of that where nobody is in its way. Both say whether it found what it was to work on.
type move struct {
	name  string
	do    func(*testing.T, *storage.Repository) bool
	model func(*scene) bool
}

var (
	metConfig = content(1, 10)
	metOther  = image("other", metConfig)
	// metWanted does not name its media type, so that it can be pushed as more than one.
	metWanted = bytes.Replace(image("wanted", metConfig), []byte(`"mediaType":"`+ociType+`","schemaVersion"`), []byte(`"schemaVersion"`), 1)
)

func pushing(m []byte, mediaType string, tags ...reference.Tag) move {
	return move{fmt.Sprintf("push %.4s as %v %s", digest.FromBytes(m).Encoded(), tags, mediaType), func(t *testing.T, r *storage.Repository) bool {
		_, err := r.PutManifest(t.Context(), storage.Push{Tags: tags, MediaType: mediaType, Content: m})
		must(t, err)
		return true
	}, func(s *scene) bool {
		for _, tag := range tags {
			s.tags[tag[0]-'a'] = digest.FromBytes(m)
		}
		s.live = s.live || bytes.Equal(m, metWanted)
		return true
	}}
}

// found says whether there was something to delete.
func found(t *testing.T, err error) bool {
	t.Helper()
	if err != nil && storage.CodeOf(err) == storage.ManifestUnknown {
		return false
	}
	must(t, err)
	return true
}

func deleting() move {
	d := digest.FromBytes(metWanted)
	return move{"delete", func(t *testing.T, r *storage.Repository) bool {
		return found(t, r.DeleteManifest(t.Context(), d, nil))
	}, func(s *scene) bool {
		was := s.live
		s.live = false
		for i, at := range s.tags {
			if at == d {
				s.tags[i] = ""
			}
		}
		return was
	}}
}

func untagging(tag reference.Tag) move {
	return move{"delete tag " + tag.String(), func(t *testing.T, r *storage.Repository) bool {
		return found(t, r.DeleteTag(t.Context(), tag, nil))
	}, func(s *scene) bool {
		was := s.tags[tag[0]-'a'] != ""
		s.tags[tag[0]-'a'] = ""
		return was
	}}
}

// explains says whether the moves, one after the other in some order, lead from one scene to another, each with its answer. Where two delete at once, both
// may say that they did. done has a bit for each move that was made.
func explains(moves []move, answers []bool, done int, from, to scene) bool {
	if done == 1<<len(moves)-1 {
		return from == to
	}
	for i, m := range moves {
		next := from
		if done&(1<<i) != 0 || m.model(&next) && !answers[i] {
			continue
		}
		if explains(moves, answers, done|1<<i, next, to) {
			return true
		}
	}
	return false
}

// Pushes of one manifest under one tag, several or none, deletions of it, and others who move or delete the tags meet in every order that the seeds give.
// Whatever comes out is what some order of them one after the other gives. In particular, a push that was acknowledged has all of its tags or none, none of
// the tags that were there before a deletion is there after it, and no tag lacks its manifest. A deletion that comes after all takes everything.
func TestPushMeetsDelete(t *testing.T) {
	t.Parallel()
	const seeds = 4000
	wanted := digest.FromBytes(metWanted)
	choices := []move{ // several tags for one manifest only: each tag is a commit point of its own, and two such pushes may share them out
		pushing(metWanted, ociType, "a"), pushing(metWanted, ociType, "b"), pushing(metWanted, ociType, "a", "b"), pushing(metWanted, ociType),
		pushing(metWanted, "application/vnd.example+json"), pushing(metWanted, "application/vnd.example+json", "b", "a"),
		pushing(metOther, ociType, "a"), pushing(metOther, ociType, "b"),
		deleting(), untagging("a"), untagging("b"),
	}
	ends := map[string]int{}
	for seed := range uint64(seeds) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			some := func(n int) (moves []move) {
				for range n {
					moves = append(moves, choices[random.IntN(len(choices))])
				}
				return moves
			}
			fake := drivertest.NewFake(t)
			must(t, pushWhole(t.Context(), repository(fake), metConfig))
			first, moves := []move{pushing(metWanted, ociType)}, []move{deleting(), pushing(metWanted, ociType, "a", "b"), pushing(metWanted, ociType)}
			if seed%2 == 0 { // anything; else what makes the most of each step
				first = some(random.IntN(4))
				moves = append(some(random.IntN(3)), deleting(), pushing(metWanted, ociType, [][]reference.Tag{{"a"}, {"b"}, {"a", "b"}}[random.IntN(3)]...))
			}
			var before scene
			var story []string
			for _, m := range first {
				story = append(story, m.name)
				if got, want := m.do(t, repository(fake)), m.model(&before); got != want {
					t.Fatalf("seed %d: after %q the answer is %v, want %v", seed, story, got, want)
				}
			}

			s := &scheduler{Driver: fake, held: []int{0, 4, 12}[random.IntN(3)]}
			answers, actors := make([]bool, len(moves)), make([]func(), len(moves))
			for i, m := range moves {
				story = append(story, "beside others: "+m.name)
				actors[i] = func() { answers[i] = m.do(t, repository(s)) }
			}
			s.run(random, actors...)

			r := repository(fake)
			after := scene{has(t, r, wanted), [2]digest.Digest{tagOf(t, r, "a"), tagOf(t, r, "b")}}
			if !explains(moves, answers, 0, before, after) {
				t.Fatalf("seed %d: no order explains %+v from %+v, with the answers %v: %s", seed, after, before, answers, strings.Join(story, ", "))
			}
			ends[fmt.Sprint(after.live, after.tags[0] == wanted, after.tags[1] == wanted)]++
			if seed%97 == 0 {
				sound(t, fake)
			}
			if got := deleting().do(t, r); got != after.live || has(t, r, wanted) || tagOf(t, r, "a") == wanted || tagOf(t, r, "b") == wanted {
				t.Fatalf("seed %d: a deletion after all is answered %v, and leaves something", seed, got)
			}
		})
		if t.Failed() {
			return
		}
	}
	t.Log(ends)
	if len(ends) < 5 {
		t.Error("the schedules did not lead to different ends")
	}
}
