package integration_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/registryd/registryd/"

// borders say which of our own packages a package may import, and what else it may not. The first that matches a folder holds; a package that has
// none imports nothing of ours, until somebody gives it a line here and a reason.
var borders = []struct {
	folder string // a pattern of path.Match
	ours   []string
	never  []string
	reason string
}{
	{"cmd/registryd", []string{"*"}, nil, "it wires everything together, and is the only one that may"},
	{"internal/api", []string{"internal/storage", "internal/uploadtoken", "internal/reference", "internal/requestid"}, nil,
		"the protocol knows no store: a driver's errors and types reach it through storage alone, so that no answer depends on the backend"},
	{"internal/storage", []string{"internal/drivers", "internal/manifest", "internal/reference", "internal/tarsum"}, []string{"net/http", "go.uber.org/zap"},
		"what is stored knows neither the protocol it came by nor the store it goes to; it returns errors, and logs nothing"},
	{"internal/drivers", nil, []string{"net/http"}, "the contract depends on nothing, so that everything can depend on it"},
	{"internal/drivers/drivertest", []string{"internal/drivers"}, []string{"net/http"}, "the suite knows the contract, not the drivers that it tests"},
	{"internal/drivers/fs", []string{"internal/drivers"}, []string{"net/http"}, "a driver knows the contract and its store, and nothing of what it keeps there"},
	{"internal/drivers/*", []string{"internal/drivers"}, nil, "a driver knows the contract and the SDK of its store, and nothing of what it keeps there"},
	{"internal/manifest", []string{"internal/reference"}, []string{"net/http", "os"}, "it reads bytes and does no I/O"},
	{"internal/reference", nil, []string{"net/http", "os"}, "names are what all else is built of"},
	{"internal/tarsum", []string{"internal/reference"}, []string{"net/http", "os"}, "it reads what it is given, and knows not where that is kept"},
	{"internal/uploadtoken", nil, []string{"net/http"}, "a token carries a state that it does not understand"},
	{"internal/server", []string{"internal/requestid"}, nil, "it serves any handler: what a request is about is the api's business"},
	{"internal/metrics", []string{"internal/api", "internal/drivers"}, nil, "it measures at the edges: requests and calls of drivers"},
	{"internal/cluster", []string{"internal/storage"}, []string{"go.uber.org/zap"}, "it tells people which nodes there are; no other package of ours knows of it"},
	{"internal/facts", []string{"internal/redisconn", "internal/storage"}, []string{"net/http"}, "it remembers in Redis what storage asks for, and knows not what it means"},
	{"internal/events", []string{"internal/storage", "internal/reference"}, nil, "it delivers what storage has written down"},
}

// TestImports holds the borders between the packages, of which the design lives: each can be read, tested and replaced alone.
func TestImports(t *testing.T) {
	t.Parallel()
	root := os.DirFS("../..")
	files := 0
	for _, top := range []string{"cmd", "internal"} {
		err := fs.WalkDir(root, top, func(file string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return err
			}
			files++
			checkImports(t, root, file)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files == 0 {
		t.Error("there is no file to look at")
	}
}

func checkImports(t *testing.T, root fs.FS, file string) {
	t.Helper()
	content, err := fs.ReadFile(root, file)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := parser.ParseFile(token.NewFileSet(), file, content, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	folder := path.Dir(file)
	ours, never, reason := []string(nil), []string(nil), "a package of ours imports no other one, unless borders says so"
	for _, b := range borders {
		if ok, _ := path.Match(b.folder, folder); ok {
			ours, never, reason = b.ours, b.never, b.reason
			break
		}
	}
	for _, spec := range tree.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		own, isOurs := strings.CutPrefix(imported, module)
		if isOurs && !slices.Contains(ours, own) && !slices.Contains(ours, "*") {
			t.Errorf("%s imports %s: %s", file, own, reason)
		}
		if slices.Contains(never, imported) {
			t.Errorf("%s imports %s: %s", file, imported, reason)
		}
	}
}
