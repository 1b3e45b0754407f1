package tarsum

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/registryd/registryd/internal/reference"
)

var update = flag.Bool("update", false, "have Docker's code compute the golden TarSums anew")

const vectors = "testdata/vectors.json"

var algorithms = []string{reference.TarSumV0, reference.TarSumV1, reference.TarSumDev}

// entry is one of an archive.
type entry struct {
	tar.Header
	content string
}

func file(name, content string) entry {
	return entry{tar.Header{Name: name, Mode: 0o644, ModTime: time.Unix(1_400_000_000, 0), Typeflag: tar.TypeReg}, content}
}

func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		e.Size = int64(len(e.content))
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipped(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// layers are archives of all that matters to a TarSum.
func layers(t testing.TB) map[string][]byte {
	attributes := file("bin/ping", "ping")
	attributes.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": "\x01\x02", "SCHILY.xattr.user.a": "b"}
	owned := file("etc/passwd", "root")
	owned.Uid, owned.Gid, owned.Uname, owned.Gname, owned.Mode = 1000, 100, "someone", "users", 0o4755
	device := file("dev/null", "")
	device.Typeflag, device.Devmajor, device.Devminor = tar.TypeChar, 1, 3
	link := file("bin/sh", "")
	link.Typeflag, link.Linkname = tar.TypeSymlink, "busybox"
	directory := file("bin/", "")
	directory.Typeflag, directory.Mode = tar.TypeDir, 0o755
	large := file("/testdata0", strings.Repeat("\x00", 1<<20))
	large.Mode, large.ModTime = 0o755, time.Time{}
	return map[string][]byte{
		"empty":      archive(t),
		"file":       archive(t, file("hello", "world")),
		"megabyte":   archive(t, large),
		"attributes": archive(t, attributes),
		"layer":      archive(t, directory, link, device, owned, attributes, file("a/b", ""), file("a/c", strings.Repeat("x", 100_000))),
		"long names": archive(t, file(strings.Repeat("long/", 100)+"name", "x"), file(strings.Repeat("é", 200), "y")),
		"twice":      archive(t, file("a", "1"), file("a", "2"), file("b", "3")),
		"other way":  archive(t, file("a", "2"), file("a", "1"), file("b", "3")),
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	got := map[string]map[string]string{}
	for name, content := range layers(t) {
		got[name] = map[string]string{}
		for _, algorithm := range algorithms {
			sum, err := Compute(bytes.NewReader(content), algorithm)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got[name][algorithm] = sum.String()
		}
	}
	text, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if *update {
		if err := os.WriteFile(vectors, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(vectors)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, want) {
		t.Errorf("the TarSums are %s", text)
	}
}

// TestPublished has the values that others have published.
func TestPublished(t *testing.T) {
	t.Parallel()
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // CNCF Distribution's DigestTarSumV1EmptyTar
	all := layers(t)
	blocks := make([]byte, 10240) // an empty archive as GNU tar writes it
	for _, algorithm := range algorithms {
		for name, content := range map[string][]byte{
			"nothing": nil, "empty": all["empty"], "empty, of GNU tar": blocks,
			"nothing, compressed": zipped(t, nil), "empty, compressed": zipped(t, all["empty"]),
		} {
			if err := Verify(bytes.NewReader(content), reference.TarSum(algorithm+":"+empty)); err != nil {
				t.Errorf("%s, %s: %v", algorithm, name, err)
			}
		}
	}
	// Of the tests of Docker.
	want := reference.TarSum("tarsum+sha256:75258b2c5dcd9adfe24ce71eeca5fc5019c7e669912f15703ede92b1a60cb11f")
	if sum, err := Compute(bytes.NewReader(all["megabyte"]), reference.TarSumV0); err != nil || sum != want {
		t.Errorf("the megabyte of zeros has %s, %v", sum, err)
	}
}

// bySpec computes a TarSum as Docker's tarsum_spec.md describes it, for archives without two entries of one name.
func bySpec(t *testing.T, content []byte, algorithm string) reference.TarSum {
	t.Helper()
	var sums []string
	for r := tar.NewReader(bytes.NewReader(content)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		hash := sha256.New()
		fmt.Fprint(hash, "name", h.Name, "mode", strconv.FormatInt(h.Mode, 10), "uid", strconv.Itoa(h.Uid), "gid", strconv.Itoa(h.Gid),
			"size", strconv.FormatInt(h.Size, 10))
		if algorithm == reference.TarSumV0 {
			fmt.Fprint(hash, "mtime", strconv.FormatInt(h.ModTime.Unix(), 10))
		}
		fmt.Fprint(hash, "typeflag", string(h.Typeflag), "linkname", h.Linkname, "uname", "gname", // no names: Docker leaves them out
			"devmajor", strconv.FormatInt(h.Devmajor, 10), "devminor", strconv.FormatInt(h.Devminor, 10))
		if algorithm != reference.TarSumV0 {
			var attributes []string
			for key, value := range h.PAXRecords {
				if name, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok {
					attributes = append(attributes, name+value)
				}
			}
			slices.Sort(attributes)
			fmt.Fprint(hash, strings.Join(attributes, ""))
		}
		if _, err := io.Copy(hash, r); err != nil {
			t.Fatal(err)
		}
		sums = append(sums, hex.EncodeToString(hash.Sum(nil)))
	}
	slices.Sort(sums)
	return reference.TarSum(fmt.Sprintf("%s:%x", algorithm, sha256.Sum256([]byte(strings.Join(sums, "")))))
}

func TestVerify(t *testing.T) {
	t.Parallel()
	for name, content := range layers(t) {
		if name == "twice" || name == "other way" {
			continue
		}
		for _, algorithm := range algorithms {
			want := bySpec(t, content, algorithm)
			for form, r := range map[string]io.Reader{
				"plain": bytes.NewReader(content), "gzip": bytes.NewReader(zipped(t, content)),
				"gzip, in two parts": io.MultiReader(bytes.NewReader(zipped(t, content[:300])), bytes.NewReader(zipped(t, content[300:]))),
				"by halves":          iotest.HalfReader(bytes.NewReader(content)), "with its end": iotest.DataErrReader(bytes.NewReader(content)),
			} {
				if err := Verify(r, want); err != nil {
					t.Errorf("%s, %s, %s: %v", name, algorithm, form, err)
				}
			}
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	layer := layers(t)["layer"]
	good := bySpec(t, layer, reference.TarSumV1)
	flipped := bytes.Clone(layer)
	flipped[len(flipped)-1024-50_000] ^= 1
	damaged := zipped(t, layer)
	damaged[len(damaged)-6] ^= 1 // the checksum
	for name, tc := range map[string]struct {
		content []byte
		want    error
	}{
		"another layer":          {layers(t)["file"], ErrMismatch},
		"nothing":                {nil, ErrMismatch},
		"bit flipped":            {flipped, ErrMismatch},
		"entry cut off":          {layer[:len(layer)-1024-512], ErrArchive},
		"header cut off":         {layer[:700], ErrArchive},
		"no archive":             {[]byte(strings.Repeat("hello", 1000)), ErrArchive},
		"one byte":               {[]byte{0x1f}, ErrArchive},
		"only the magic":         {[]byte{0x1f, 0x8b}, ErrArchive},
		"gzip of no archive":     {zipped(t, []byte(strings.Repeat("hello", 1000))), ErrArchive},
		"gzip cut off":           {zipped(t, layer)[:200], ErrArchive},
		"gzip without checksum":  {zipped(t, layer)[:len(zipped(t, layer))-8], ErrArchive},
		"gzip with bad checksum": {damaged, ErrArchive},
		"something behind":       {append(bytes.Clone(layer), 'x'), ErrArchive},
		"another archive behind": {append(bytes.Clone(layer), layer...), ErrArchive},
		"something behind, gzip": {zipped(t, append(bytes.Clone(layer), 'x')), ErrArchive},
		"something behind gzip":  {append(zipped(t, layer), "xx"...), ErrArchive},
		"gzip in gzip":           {zipped(t, zipped(t, layer)), ErrArchive},
	} {
		if err := Verify(bytes.NewReader(tc.content), good); !errors.Is(err, tc.want) || len(err.Error()) > 400 {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	for _, algorithm := range []string{"", "sha256", "tarsum", "tarsum.v2+sha256"} {
		if _, err := Compute(bytes.NewReader(layer), algorithm); err == nil {
			t.Errorf("computed by %q", algorithm)
		}
	}
}

// TestReadFails has the content end in an error of its source, at many places: it is not the archive's fault.
func TestReadFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("the store hung up")
	for _, content := range [][]byte{layers(t)["layer"], zipped(t, layers(t)["layer"])} {
		for at := 0; at <= len(content); at += max(1, len(content)/97) {
			r := io.MultiReader(bytes.NewReader(content[:at]), iotest.ErrReader(broken))
			if _, err := Compute(r, reference.TarSumV1); !errors.Is(err, broken) || errors.Is(err, ErrArchive) {
				t.Errorf("after %d bytes: %v", at, err)
			}
		}
	}
}
