package events

import "github.com/redis/go-redis/v9"

// # What stands in Redis
//
// KEYS[1] of each script is {<namespace>:events}, which all keys begin with; being a hash tag, it keeps them on one server of a Cluster. Scripts make the
// other keys of it:
//
//	:q:<endpoint>       stream, fields id (of the journal entry) and body (its note, or nothing: then it is read from the journal); consumer group
//	                    "registryd", consumers are instances; never trimmed
//	:later:<endpoint>   sorted set of stream ids, by when they are to be tried again (milliseconds); these are pending to nobody
//	:tries:<endpoint>   hash, entry -> attempts that failed
//	:open:<endpoint>    sorted set of the entries that the endpoint has yet to take, by name, which is by time: for figures, and to know that many wait
//	:lease:<endpoint>   the instance that sends to an ordered endpoint; dies unless renewed
//	:event:<entry>      hash, endpoint -> stream id, of the endpoints that have yet to take the entry
//	:done:<entry>       there for an hour after they all have
//	:best:<endpoint>    stream of best effort, of 10,000 events at most, or some 8 MiB
//	:endpoints          sorted set of endpoints, by when a node that has them said so (seconds)
//
// An entry is known while event: or done: is there. At any time each endpoint in event: has its message in the stream, and the message is yet to be given
// to the group, or pending to a consumer, or in later:. checkScript finds what is not so, after keys were lost one by one.
const luaHead = `
local P = KEYS[1] .. ':'
local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function forget(e, id, sid)
  local q = P .. 'q:' .. e
  redis.call('XACK', q, 'registryd', sid)
  redis.call('XDEL', q, sid)
  redis.call('ZREM', P .. 'later:' .. e, sid)
end
local function taken(e, id)
  local event = P .. 'event:' .. id
  redis.call('ZREM', P .. 'open:' .. e, id)
  redis.call('HDEL', P .. 'tries:' .. e, id)
  if redis.call('HDEL', event, e) == 1 and redis.call('EXISTS', event) == 0 then
    redis.call('SET', P .. 'done:' .. id, 1, 'EX', 3600)
    return 1
  end
  return 0
end
local function mine(q, me, sid)
  local p = redis.pcall('XPENDING', q, 'registryd', sid, sid, 1)
  return not p.err and p[1] and p[1][2] == me
end
`

// script is one that Redis runs also when its memory is used up: what it adds is little, and it makes room. filling is one that it refuses then.
func script(body string) *redis.Script {
	return redis.NewScript("#!lua flags=allow-oom\n" + luaHead + body)
}

func filling(body string) *redis.Script { return redis.NewScript("#!lua\n" + luaHead + body) }

var (
	// musterScript: each endpoint that nodes spoke of, and when.
	musterScript = script(`return redis.call('ZRANGE', P .. 'endpoints', 0, -1, 'WITHSCORES')`)

	// checkScript (twice the number of endpoints that are gone; each with what musterScript said of it; entries): of each entry 'done', 'unknown', 'queued', or
	// 'lost' and the endpoints whose message is not in the stream; then those that have yet to take it and are gone. A message that is in the stream and
	// that nobody would ever take is due at once. An endpoint that nobody has spoken of is spoken of, so that it can be gone one day.
	checkScript = script(`
local now, gone, last, met = clock(), {}, {}, {}
for i = 2, ARGV[1] + 1, 2 do
  if redis.call('ZSCORE', P .. 'endpoints', ARGV[i]) == ARGV[i + 1] then gone[ARGV[i]] = true end
end
local function split(sid)
  local a, b = string.match(sid, '(%d+)-(%d+)')
  return tonumber(a), tonumber(b)
end
local function given(e, sid)
  if not last[e] then
    last[e] = {0, 0}
    local groups = redis.pcall('XINFO', 'GROUPS', P .. 'q:' .. e)
    for _, g in ipairs(groups.err and {} or groups) do
      for i = 1, #g, 2 do
        if g[i] == 'last-delivered-id' then last[e] = {split(g[i + 1])} end
      end
    end
  end
  local a, b = split(sid)
  return a < last[e][1] or a == last[e][1] and b <= last[e][2]
end
local function look(e, id, sid)
  local q = P .. 'q:' .. e
  if #redis.call('XRANGE', q, sid, sid) == 0 then return false end
  if given(e, sid) and not redis.call('ZSCORE', P .. 'later:' .. e, sid) then
    local p = redis.pcall('XPENDING', q, 'registryd', sid, sid, 1)
    if not p.err and #p == 0 then redis.call('ZADD', P .. 'later:' .. e, now, sid) end
  end
  return true
end
local all = {}
for i = ARGV[1] + 2, #ARGV do
  local id, state, lost, left = ARGV[i], 'unknown', '', ''
  if redis.call('EXISTS', P .. 'done:' .. id) == 1 then state = 'done' end
  local fields = redis.call('HGETALL', P .. 'event:' .. id)
  for j = 1, #fields, 2 do
    local e, sid = fields[j], fields[j + 1]
    if gone[e] then
      left = left .. ' ' .. e
      if state == 'unknown' then state = 'queued' end
    elseif look(e, id, sid) then
      if not met[e] then redis.call('ZADD', P .. 'endpoints', 'NX', math.floor(now / 1000), e) end
      met[e], state = true, 'queued'
    else
      lost = lost .. ' ' .. e
    end
  end
  if lost ~= '' then state = 'lost' .. lost end
  all[#all + 1] = state
  all[#all + 1] = left
end
return all`)

	// sweepScript (milliseconds; each endpoint that is gone with what musterScript said of it): removes consumers that have nothing and were not heard of for
	// so many milliseconds, and what is kept for endpoints that are gone. That they are is remembered for a day, in which the journal is walked many times.
	sweepScript = script(`
local gone = {}
for i = 2, #ARGV, 2 do
  if redis.call('ZSCORE', P .. 'endpoints', ARGV[i]) == ARGV[i + 1] then
    gone[ARGV[i]] = true
    for _, kind in ipairs({'q:', 'later:', 'tries:', 'open:', 'lease:', 'best:'}) do redis.call('UNLINK', P .. kind .. ARGV[i]) end
  end
end
for _, e in ipairs(redis.call('ZRANGE', P .. 'endpoints', 0, -1)) do
  local consumers = gone[e] and {} or redis.pcall('XINFO', 'CONSUMERS', P .. 'q:' .. e, 'registryd')
  for _, c in ipairs(consumers.err and {} or consumers) do
    local is = {}
    for i = 1, #c, 2 do is[c[i]] = c[i + 1] end
    if is.pending == 0 and is.idle > tonumber(ARGV[1]) then redis.call('XGROUP', 'DELCONSUMER', P .. 'q:' .. e, 'registryd', is.name) end
  end
end
for e in pairs(gone) do
  if redis.call('ZSCORE', P .. 'endpoints', e) + 86400 < clock() / 1000 then redis.call('ZREM', P .. 'endpoints', e) end
end
return 1`)

	// censusScript (announce, endpoints): says, if announce is 1, that a node has these endpoints; and gives of each how many entries wait, the first of
	// them, and how many events of best effort do.
	censusScript = script(`
local out = {}
for i = 2, #ARGV do
  local e = ARGV[i]
  if ARGV[1] == '1' then redis.call('ZADD', P .. 'endpoints', math.floor(clock() / 1000), e) end
  out[#out + 1] = redis.call('ZCARD', P .. 'open:' .. e)
  out[#out + 1] = redis.call('ZRANGE', P .. 'open:' .. e, 0, 0)[1] or ''
  out[#out + 1] = redis.call('XLEN', P .. 'best:' .. e)
end
return out`)
)
