package uploadtoken

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// times are what a claim lives by. Tests change them.
type times struct {
	renewEvery time.Duration
	staleAfter time.Duration // without a renewal a claim is that of a request that died
	sureFor    time.Duration // after a renewal the claim is not asked about: nobody can have taken it over
	stillFor   time.Duration // a request that has waited so long for its client renews its claim no more
}

var usualTimes = times{renewEvery: 500 * time.Millisecond, staleAfter: 2 * time.Second, sureFor: time.Second, stillFor: 5 * time.Second}

const (
	watchEvery = 100 * time.Millisecond // while it is seen whether the other one is alive
	closedFor  = time.Hour              // an upload that was closed is remembered so long
)

// What Redis may take.
const (
	askBudget     = 100 * time.Millisecond
	releaseBudget = 50 * time.Millisecond
)

// How a release that Redis did not hear of is repeated.
const (
	releaseEvery = 400 * time.Millisecond // at least
	releaseFor   = 10 * time.Second
)

// What scripts answer.
const (
	isTaken     = "taken"     // by us
	isBusy      = "busy"      // another's
	isAnew      = "anew"      // ours, and the record was gone
	isStill     = "still"     // nobody else's, and not renewed
	isCancelled = "cancelled" // as in the field end
	isClosed    = "closed"    // as in the field end
)

// Each script touches one key, so they work on a Redis Cluster. One that runs late, after its caller gave up, finds that its claim is not the one that
// stands, or does what the next renewal would do. ARGV[1] is the name of a claim where there is one, ARGV[2] how long the record lives, in milliseconds.
//
// By its first line, which Redis knows since 7.0, a script is refused where it may not write, even if it only reads: a master that became a replica would go
// on answering on connections that are open.
const head = "#!lua\n"

const readClock = head + `local t = redis.call('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000) `

// lookScript gives end, whether the claim is one that nobody renews, and point. ARGV[1] is when a claim is stale, in milliseconds. One that was renewed in
// the future is: the clock went back, and a renewal would have set that right.
var lookScript = redis.NewScript(readClock + `
local r = redis.call('HMGET', KEYS[1], 'end', 'claim', 'beat', 'point')
local stale = r[2] and r[2] ~= '' and (now - r[3] >= tonumber(ARGV[1]) or now < tonumber(r[3]))
return {r[1] or '', stale and 1 or 0, r[4] or ''}`)

// claimScript takes the claim if nobody else has it. It gives what came of that, the point, whether the claim before was stale, and with "busy" whose claim
// it is and when that was renewed. ARGV[3] is when a claim is stale, ARGV[4] whether the request closes the upload. ARGV[5] is what "busy" gave all the while
// that a claim takes to be stale: if that is in the future, the clock went back, as it may when another Redis takes over, and the claim is stale.
var claimScript = redis.NewScript(readClock + `
local r = redis.call('HMGET', KEYS[1], 'end', 'claim', 'beat', 'point')
if r[1] == 'cancelled' or r[1] == 'closed' and ARGV[4] == '0' then return {r[1], '', 0, ''} end
local other = r[2] and r[2] ~= '' and r[2] ~= ARGV[1]
local future = other and now < tonumber(r[3]) and ARGV[5] == r[2] .. ' ' .. r[3]
if other and not future and now - r[3] < tonumber(ARGV[3]) then return {'busy', r[4] or '', 0, r[2] .. ' ' .. r[3]} end
redis.call('HSET', KEYS[1], 'claim', ARGV[1], 'beat', now)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {'taken', r[4] or '', other and 1 or 0, ''}`)

// renewScript renews a claim, with a newer point in ARGV[4] unless that is empty. A record that Redis lost is made anew. A claim that was never given, as
// ARGV[3] says, is taken if nobody has it. With 1 in ARGV[5] nothing is renewed or taken.
var renewScript = redis.NewScript(readClock + `
local r = redis.call('HMGET', KEYS[1], 'end', 'claim')
if r[1] == 'cancelled' then return r[1] end
if r[2] and r[2] ~= ARGV[1] and (r[2] ~= '' or r[1] or ARGV[3] == '1') then return 'busy' end
if ARGV[5] == '1' then return 'still' end
redis.call('HSET', KEYS[1], 'claim', ARGV[1], 'beat', now)
if ARGV[4] ~= '' then redis.call('HSET', KEYS[1], 'point', ARGV[4]) end
if r[2] then return 'taken' end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 'anew'`)

// releaseScript ends a claim with the point in ARGV[4], or with none, or with the whole upload if ARGV[5] is 1. If the claim was never given, as ARGV[3] says,
// and others were there meanwhile, nobody knows which point is the newest.
var releaseScript = redis.NewScript(head + `
local r = redis.call('HMGET', KEYS[1], 'end', 'claim')
if r[1] == 'cancelled' then return r[1] end
if r[2] and r[2] ~= ARGV[1] and (r[2] ~= '' or r[1] or ARGV[3] == '1') then return 'busy' end
redis.call('HSET', KEYS[1], 'claim', '')
if ARGV[5] == '1' then redis.call('HSET', KEYS[1], 'end', 'closed') end
if ARGV[5] == '1' or ARGV[4] == '' or r[2] == '' then
	redis.call('HDEL', KEYS[1], 'point')
else
	redis.call('HSET', KEYS[1], 'point', ARGV[4])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 'taken'`)

// cancelScript ends an upload, unless it was closed. ARGV[1] is empty.
var cancelScript = redis.NewScript(head + `
if redis.call('HGET', KEYS[1], 'end') == 'closed' then return 'closed' end
redis.call('HSET', KEYS[1], 'end', 'cancelled', 'claim', '')
redis.call('HDEL', KEYS[1], 'point')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 'cancelled'`)
