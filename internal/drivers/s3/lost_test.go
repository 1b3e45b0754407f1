//go:build stores

package s3_test

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/registryd/registryd/internal/drivers"
)

func isComplete(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
}

// losing drops the first n answers to a CompleteMultipartUpload, and counts how many there were.
func losing(n int32) (w wire, asked *atomic.Int32) {
	asked = new(atomic.Int32)
	return func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		answer, err := next.RoundTrip(r)
		if err != nil || !isComplete(r) || asked.Add(1) > n {
			return answer, err
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		return nil, errWire
	}, asked
}

// TestCompleteAnswerLost: the object is there, and the upload is not. The repetition finds that out, in the same call or, when every answer of that was lost,
// in the next one, of another process.
func TestCompleteAnswerLost(t *testing.T) {
	t.Parallel()
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bucket := config(store(t))
			bucket.ChunkSize = 5 * mib
			healthy := openWith(t, bucket, nil)
			for i, pieces := range [][]piece{
				{{1, 10 * mib}},              // parts alone
				{{2, 10*mib + 1}},            // and a tail
				{{3, mib}, {4, 2 * mib}},     // a tail alone
				{{5, 7 * mib}, {6, 7 * mib}}, // of two Appends
			} {
				for _, lost := range []int32{1, 2, 1000} {
					var s drivers.Session
					for j, p := range pieces {
						s = mustAppend(t, healthy, s, keyOf("lost", 1000*i+100*j+int(lost)), p)
					}
					w, asked := losing(lost)
					info, err := openWith(t, bucket, w).Commit(t.Context(), s)
					switch {
					case lost < 3 && err != nil:
						t.Fatalf("case %d, %d answers lost: %v", i, lost, err)
					case lost == 1000 && !errors.Is(err, drivers.ErrUnavailable):
						t.Fatalf("case %d, all answers lost: %v", i, err)
					case asked.Load() == 0:
						t.Fatalf("case %d: nothing was completed", i)
					}
					again, err := healthy.Commit(t.Context(), s)
					if err != nil {
						t.Fatalf("case %d, %d answers lost, and again: %v", i, lost, err)
					}
					if again.Size != s.Offset || again.ETag == "" || info.ETag != "" && info.ETag != again.ETag {
						t.Errorf("case %d: %+v, then %+v", i, info, again)
					}
					isMadeOf(t, healthy, s.Key, pieces...)
				}
			}
		})
	}
}

// TestCompleteOfAnother: an object that another Session of the same upload became is not taken for ours, though its size is the same.
func TestCompleteOfAnother(t *testing.T) {
	t.Parallel()
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bucket := config(store(t))
			bucket.ChunkSize = 5 * mib
			d := openWith(t, bucket, nil)
			base := mustAppend(t, d, drivers.Session{}, "data/base", piece{1, 11 * mib})
			ours := mustAppend(t, d, base, "data/ours", piece{2, 6 * mib})
			theirs := mustAppend(t, d, base, "data/theirs", piece{3, 6 * mib})
			if _, err := d.Commit(t.Context(), theirs); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Commit(t.Context(), ours); !errors.Is(err, drivers.ErrPrecondition) && !errors.Is(err, drivers.ErrNotFound) &&
				!(name == "versitygw" && errors.Is(err, drivers.ErrUnavailable)) { // it may hang up on a part it does not want before it says so
				t.Errorf("got %v", err)
			}
			isMadeOf(t, d, theirs.Key, piece{1, 11 * mib}, piece{3, 6 * mib})
		})
	}
}

// TestCommitAgain asks little of the store: the tail is gone by then, with the upload.
func TestCommitAgain(t *testing.T) {
	t.Parallel()
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bucket := config(store(t))
			bucket.ChunkSize = 5 * mib
			var asked atomic.Int32
			d := openWith(t, bucket, func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
				asked.Add(1)
				return next.RoundTrip(r)
			})
			s := mustAppend(t, d, drivers.Session{}, "data/again", piece{1, 10*mib + 1})
			for range 3 {
				asked.Store(0)
				if _, err := d.Commit(t.Context(), s); err != nil {
					t.Fatal(err)
				}
				if n := asked.Load(); n > 5 { // part, its tail, complete, and the tail's end; or part, its tail, and a look at the object
					t.Errorf("%d requests", n)
				}
				t.Log(asked.Load())
			}
		})
	}
}
