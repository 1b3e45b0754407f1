package facts

import (
	"crypto/rand"
	"encoding/binary"

	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/internal/storage"
)

// What stands at a key begins with one of these.
const (
	leaseTag = 'L' // and a token
	entryTag = 'E' // and the length of the version in two bytes, the version, the value
)

// maxEntry is how long what is remembered of one fact may be, in bytes. Records of tags and links are far shorter; a longer one is read each time.
const maxEntry = 4 << 10

// head has Redis refuse a script where it may not write, even if it would not come so far: a master that has become a replica, or has too few replicas
// left, would go on answering reads on connections that are open. Redis knows it since 7.0.
const head = "#!lua\n"

// scripts are the changes of a key that more than one command makes. Each touches one key, so that they work in a Cluster.
type scripts struct {
	look *redis.Script // (key; lease, milliseconds): what stands there; nil if that is now the lease
	fill *redis.Script // (key; lease, entry): entry takes the place of lease and dies when it would have, or stands already; else nothing does
	drop *redis.Script // (key; lease): the lease is gone
}

var protocol = scripts{
	look: redis.NewScript(head + `
local now = redis.call('GET', KEYS[1])
if now then return now end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false`),
	fill: redis.NewScript(head + `
local now = redis.call('GET', KEYS[1])
if now == ARGV[1] and now ~= '' then
  redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
elseif now and now ~= ARGV[2] then
  redis.call('DEL', KEYS[1])
end
return 1`),
	drop: redis.NewScript(head + `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`),
}

func newLease() string { return string(leaseTag) + rand.Text() }

func isLease(stands string) bool { return len(stands) > 0 && stands[0] == leaseTag }

// encode gives the entry of a fact; false if it is not to be remembered.
func encode(fact storage.Fact) (string, bool) {
	if fact.Value == nil || 3+len(fact.Version)+len(fact.Value) > maxEntry {
		return "", false
	}
	entry := binary.BigEndian.AppendUint16([]byte{entryTag}, uint16(len(fact.Version)))
	return string(append(append(entry, fact.Version...), fact.Value...)), true
}

// decode is the inverse of encode; false if this is no entry. The value is not nil.
func decode(entry string) (storage.Fact, bool) {
	if len(entry) < 3 || entry[0] != entryTag {
		return storage.Fact{}, false
	}
	length := 3 + int(entry[1])<<8 + int(entry[2])
	if len(entry) < length {
		return storage.Fact{}, false
	}
	return storage.Fact{Version: entry[3:length], Value: []byte(entry[length:])}, true
}
