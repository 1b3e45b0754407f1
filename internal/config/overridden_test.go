package config

import (
	"slices"
	"strings"
	"testing"
)

func TestWarnsOfWhatVariablesOverride(t *testing.T) {
	t.Parallel()
	const ends = " sets it to something else; change the variable, or remove one of the two."
	tests := []struct {
		name, file string
		env        []string
		flags      []Flag
		want       []string // up to how they all end
	}{
		{name: "another value", file: "http:\n  draindelay: 20s\n", env: []string{"REGISTRY_HTTP_DRAINDELAY=10s"},
			want: []string{"config.yml, line 2: http.draindelay has no effect, because the variable REGISTRY_HTTP_DRAINDELAY"}},
		{name: "the same, written otherwise", file: "uploads: {memory: 1GiB}\nhttp: {draintimeout: 60s}\n",
			env: []string{"REGISTRY_UPLOADS_MEMORY=1024MiB", "REGISTRY_HTTP_DRAINTIMEOUT=1m"}},
		{name: "only a variable", file: "http: {draindelay: null}\n", env: []string{"REGISTRY_HTTP_DRAINDELAY=10s"}},
		{name: "no file", env: []string{"REGISTRY_HTTP_ADDR=:1"}},
		{name: "a variable that counts as not set", file: "http: {draindelay: 20s}\n", env: []string{"REGISTRY_HTTP_DRAINDELAY="}},
		{name: "an empty text", file: "http: {debug: {addr: ':5001'}}\n", env: []string{"REGISTRY_HTTP_DEBUG_ADDR="},
			want: []string{"config.yml, line 1: http.debug.addr has no effect, because the variable REGISTRY_HTTP_DEBUG_ADDR"}},
		{name: "a flag", file: "http: {addr: ':1'}\n", env: []string{"REGISTRY_HTTP_ADDR=:2"}, flags: []Flag{{Name: "--addr", Key: "http.addr", Value: ":3"}}},
		{name: "in the order of the keys", file: "uploads: {memory: 1GiB}\ncache: {memory: 1GiB}\n", env: []string{"REGISTRY_UPLOADS_MEMORY=2GiB", "REGISTRY_CACHE_MEMORY=2GiB"},
			want: []string{
				"config.yml, line 2: cache.memory has no effect, because the variable REGISTRY_CACHE_MEMORY",
				"config.yml, line 1: uploads.memory has no effect, because the variable REGISTRY_UPLOADS_MEMORY",
			}},
		{name: "secrets", file: "http: {secret: hunter2}\nredis: {password: hunter2}\n", env: []string{"REGISTRY_HTTP_SECRET=hunter3", "REGISTRY_REDIS_PASSWORD=hunter2"},
			want: []string{"config.yml, line 1: http.secret has no effect, because the variable REGISTRY_HTTP_SECRET"}},
		{name: "a list of texts", file: "redis: {addrs: ['a:1', 'b:1']}\n", env: []string{"REGISTRY_REDIS_ADDRS=a:1"},
			want: []string{"config.yml, line 1: redis.addrs has no effect, because the variable REGISTRY_REDIS_ADDRS"}},
		{name: "the same list of texts", file: "redis: {addrs: ['a:1', 'b:1']}\n", env: []string{"REGISTRY_REDIS_ADDRS=a:1,b:1"}},
		{name: "a list of sections", file: "notifications: {endpoints: [{name: ci, url: 'https://a.example', secret: hunter2}]}\n",
			env:  []string{"REGISTRY_NOTIFICATIONS_ENDPOINTS=[{name: ci, url: 'https://a.example', secret: hunter3}]"},
			want: []string{"config.yml, line 1: notifications.endpoints has no effect, because the variable REGISTRY_NOTIFICATIONS_ENDPOINTS"}},
		{name: "the same list of sections", file: "notifications: {endpoints: [{name: ci, url: 'https://a.example', timeout: 1s}]}\n",
			env: []string{"REGISTRY_NOTIFICATIONS_ENDPOINTS=[{timeout: 1000ms, url: 'https://a.example', name: ci}]"}},
		{name: "one entry of a map", file: "log:\n  fields: {a: hunter2, b: '2'}\n", env: []string{"REGISTRY_LOG_FIELDS_A=1", "REGISTRY_LOG_FIELDS_B=2", "REGISTRY_LOG_FIELDS_C=3"},
			want: []string{"config.yml, line 2: log.fields.a has no effect, because the variable REGISTRY_LOG_FIELDS_A"}},
		{name: "a map", file: "http:\n  headers: {X-Kept: [a], X-Lost: [b]}\n", env: []string{"REGISTRY_HTTP_HEADERS={X-Kept: [a], X-New: [c]}"},
			want: []string{"config.yml, line 2: http.headers.X-Lost has no effect, because the variable REGISTRY_HTTP_HEADERS"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src := Sources{Env: tt.env, Flags: tt.flags}
			if tt.file != "" {
				src.File = written(t, tt.file)
			}
			c, err := Load(src)
			if err != nil {
				t.Fatal(err)
			}
			for i := range tt.want {
				tt.want[i] += ends
			}
			if !slices.Equal(c.Warnings, tt.want) {
				t.Errorf("warned\n%s\nwant\n%s", strings.Join(c.Warnings, "\n"), strings.Join(tt.want, "\n"))
			}
			if strings.Contains(strings.Join(c.Warnings, ""), "hunter") {
				t.Error("a value shows")
			}
		})
	}
}
