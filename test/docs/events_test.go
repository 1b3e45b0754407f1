package docs_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/events"
)

const eventsPage = "docs/events.md"

var golden = regexp.MustCompile("(?ms)^<!-- (internal/[\\w./-]+) -->\n+```json\n(.*?)^```$")

// TestEventsOnTheWire compares each event that the page shows with the golden file that it names.
func TestEventsOnTheWire(t *testing.T) {
	t.Parallel()
	shown := golden.FindAllStringSubmatch(read(t, eventsPage), -1)
	if len(shown) < 3 {
		t.Fatalf("%s shows %d events", eventsPage, len(shown))
	}
	for _, found := range shown {
		if got, want := compact(t, found[2]), compact(t, read(t, found[1])); got != want {
			t.Errorf("%s shows\n%s\nwhere %s has\n%s", eventsPage, got, found[1], want)
		}
	}
}

func compact(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(text)); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return out.String()
}

var goExample = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

// TestVerifyExample runs the page's example in Go on a request that an endpoint was really sent, and on ones that are not quite that.
func TestVerifyExample(t *testing.T) {
	t.Parallel()
	var header string
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		header = r.Header.Get(events.SignatureHeader)
		body, _ = io.ReadAll(r.Body)
	}))
	defer server.Close()
	endpoint, err := events.NewEndpoint(events.Options{Name: "docs", URL: server.URL, Secrets: [][]byte{[]byte("new"), []byte("old")}, AllowPrivate: true, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	sender := events.NewSender(endpoint)
	defer sender.Close()
	if err := sender.Send(t.Context(), events.Origin{}.TagDeleted("a", "1")); err != nil {
		t.Fatal(err)
	}

	found := goExample.FindAllStringSubmatch(read(t, eventsPage), -1)
	if len(found) != 1 {
		t.Fatalf("%s has %d examples in Go", eventsPage, len(found))
	}
	name := filepath.Join(t.TempDir(), "main.go")
	program := "package main\n\nimport (\n\"crypto/hmac\"\n\"crypto/sha256\"\n\"encoding/hex\"\n\"fmt\"\n\"os\"\n\"slices\"\n\"strconv\"\n\"strings\"\n\"time\"\n)\n\n" + found[0][1] +
		"\nfunc main() {\n\tfor args := os.Args[1:]; len(args) > 0; args = args[3:] {\n\t\tfmt.Println(Verify(args[0], []byte(args[1]), args[2]))\n\t}\n}\n"
	if err := os.WriteFile(name, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	early := strings.Replace(header, "t=", "t=1", 1)
	run := exec.CommandContext(t.Context(), "go", "run", name,
		header, string(body), "new", header, string(body), "old",
		header, string(body), "other", header, string(body)+" ", "new", early, string(body), "new", "", string(body), "new", "t=x,v1=", string(body), "new")
	run.WaitDelay = time.Minute
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if string(out) != "true\ntrue\nfalse\nfalse\nfalse\nfalse\nfalse\n" {
		t.Errorf("of the header %s it says\n%s", header, out)
	}
}
