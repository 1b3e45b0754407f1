package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzYAML holds that any file either gives problems, each a sentence, or a configuration that prints as a file which loads.
func FuzzYAML(f *testing.F) {
	files, _ := filepath.Glob(filepath.Join("testdata", "*.yml"))
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("http: &a\n  <<: *a\n"))
	f.Add([]byte("a: &a [*a]\nhttp: {headers: *a}\n"))
	f.Add([]byte("notifications: {endpoints: [&a {name: a, url: http://a}, {<<: *a, name: b, headers: {A: [b]}, include: c/*}]}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l := newLoader()
		l.yaml("config.yml", text)
		c, err := l.result()
		if err != nil {
			for _, p := range l.problems {
				if !strings.HasSuffix(p, ".") {
					t.Errorf("%q is no sentence", p)
				}
			}
			return
		}
		c.HTTP.Secret, c.HTTP.Secrets, c.Redis.Password, c.Redis.SentinelPassword = "", nil, "", ""
		c.Redis.Username = "" // wants its password
		for i := range c.Notifications.Endpoints {
			e := &c.Notifications.Endpoints[i]
			e.URL, e.Headers, e.Secret, e.Secrets = "http://a", nil, "", nil
		}
		var out bytes.Buffer
		if err := c.Print(&out); err != nil {
			t.Fatal(err)
		}
		l = newLoader()
		l.yaml("printed.yml", out.Bytes())
		if _, err := l.result(); err != nil {
			t.Errorf("%v, in\n%s", err, out.Bytes())
		}
	})
}
