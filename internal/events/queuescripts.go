package events

var (
	// enqueueScript (for each entry: id, repair, body, number of endpoints, endpoints): of how many endpoints it was new. An entry that is known stays as it
	// is; with repair, messages of it that are gone are put back, and nothing else. Of an endpoint for which 10,000 wait the body is left in the journal.
	enqueueScript = filling(`
local i, all = 1, {}
while i <= #ARGV do
  local id, repair, body, n, new = ARGV[i], ARGV[i + 1] == '1', ARGV[i + 2], tonumber(ARGV[i + 3]), 0
  local event = P .. 'event:' .. id
  local known = redis.call('EXISTS', event, P .. 'done:' .. id) > 0
  for j = i + 4, i + 3 + n do
    local e = ARGV[j]
    local q, add = P .. 'q:' .. e, not known and not repair
    if known and repair then
      local sid = redis.call('HGET', event, e)
      add = sid and #redis.call('XRANGE', q, sid, sid) == 0
    end
    if add then
      local short = body == '' or redis.call('ZCARD', P .. 'open:' .. e) >= 10000
      local sid = short and redis.call('XADD', q, '*', 'id', id) or redis.call('XADD', q, '*', 'id', id, 'body', body)
      redis.call('HSET', event, e, sid)
      redis.call('ZADD', P .. 'open:' .. e, 0, id)
      new = new + 1
    end
  end
  all[#all + 1] = new
  i = i + 4 + n
end
return all`)

	// tellScript (for each event: endpoint, id, body): best effort. Of each endpoint 10,000 are kept, or fewer as one comes that is so long that as many of
	// them were more than 8 MiB; the oldest go. Redis removes them by the hundred.
	tellScript = filling(`
for i = 1, #ARGV, 3 do
  local most = math.max(math.min(10000, math.floor(8388608 / (#ARGV[i + 2] + 1))), 1)
  redis.call('XADD', P .. 'best:' .. ARGV[i], 'MAXLEN', '~', most, '*', 'id', ARGV[i + 1], 'body', ARGV[i + 2])
end
return 1`)

	// takeScript (endpoint, consumer, room, idle milliseconds, cursor, lease milliseconds): the next cursor, and for each message its stream id, entry, body,
	// attempts, until the bodies are about 1 MiB long. What is due again comes first, in at most half of the room; then, from cursor on unless it is empty,
	// what a consumer has not kept fresh for so long; then what is new; then best effort, without a stream id. Of an ordered endpoint (lease not 0) only
	// the holder of its lease takes, and nothing new before it has seen all that is old; 'taken' says that another one holds it, 'fresh' that it is the
	// caller's from now on.
	takeScript = script(`
local e, me, room, idle, cursor, lease = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5], tonumber(ARGV[6])
local q, later = P .. 'q:' .. e, P .. 'later:' .. e
if lease > 0 then
  local holder = redis.call('GET', P .. 'lease:' .. e)
  if holder and holder ~= me then return {'taken'} end
  redis.call('SET', P .. 'lease:' .. e, me, 'PX', lease)
  if not holder then return {'fresh'} end
end
if type(redis.pcall('XGROUP', 'CREATECONSUMER', q, 'registryd', me)) == 'table' then -- an error: no stream, or no group
  redis.call('XGROUP', 'CREATE', q, 'registryd', '0', 'MKSTREAM')
end
local out, size = {cursor}, 0
local function give(messages, sure)
  for _, m in ipairs(messages or {}) do
    if m and m[2] then
      local f = m[2]
      for i = 0, 3 do out[#out + 1] = '' end
      local at = #out - 4
      if sure then out[at + 1] = m[1] end
      for i = 1, #f, 2 do
        if f[i] == 'id' then out[at + 2] = f[i + 1] elseif f[i] == 'body' then out[at + 3] = f[i + 1] end
      end
      out[at + 4] = sure and redis.call('HGET', P .. 'tries:' .. e, out[at + 2]) or '0'
      room, size = room - 1, size + #out[at + 3]
    end
  end
end
local function few(n) return size < 1048576 and math.min(n, 32) or 0 end -- so that little is given beyond 1 MiB
local half = math.floor(room / 2)
while few(room - half) > 0 do
  local due = redis.call('ZRANGEBYSCORE', later, '-inf', clock(), 'LIMIT', 0, few(room - half))
  if #due == 0 then break end
  redis.call('ZREM', later, unpack(due))
  due[#due + 1] = 'FORCE'
  give(redis.call('XCLAIM', q, 'registryd', me, 0, unpack(due)), true)
end
for _ = 1, 16 do
  if out[1] == '' or few(room) <= 0 then break end
  local r = redis.call('XAUTOCLAIM', q, 'registryd', me, idle, out[1], 'COUNT', few(room))
  out[1] = r[1]
  give(r[2], true)
  if out[1] == '0-0' then break end
end
while few(room) > 0 and (lease == 0 or out[1] == '' or out[1] == '0-0') do
  local n = few(room)
  local r = redis.call('XREADGROUP', 'GROUP', 'registryd', me, 'COUNT', n, 'STREAMS', q, '>')
  if not r then break end
  give(r[1][2], true)
  if #r[1][2] < n then break end
end
while few(room) > 0 do -- one by one, since these may be long
  local best = redis.call('XRANGE', P .. 'best:' .. e, '-', '+', 'COUNT', 1)
  if #best == 0 then break end
  redis.call('XDEL', P .. 'best:' .. e, best[1][1])
  give(best, false)
end
return out`)

	// doneScript (for each: endpoint, entry, stream id or empty): for each 1 if no endpoint is left that has yet to take the entry. A message that was put
	// into the stream anew meanwhile goes too.
	doneScript = script(`
local all = {}
for i = 1, #ARGV, 3 do
  local e, id, sid = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local now = redis.call('HGET', P .. 'event:' .. id, e)
  if sid ~= '' then forget(e, id, sid) end
  if now and now ~= sid then forget(e, id, now) end
  all[#all + 1] = taken(e, id)
end
return all`)

	// laterScript (endpoint, consumer, entry, stream id, milliseconds, attempts): counts so many attempts, and puts the message off; with a negative time it
	// stays where it is. Only while it is pending to the consumer.
	laterScript = script(`
local e, me, id, sid, wait = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local q = P .. 'q:' .. e
if not mine(q, me, sid) then return 0 end
if ARGV[6] ~= '0' then redis.call('HINCRBY', P .. 'tries:' .. e, id, ARGV[6]) end
if wait >= 0 then
  redis.call('XACK', q, 'registryd', sid)
  redis.call('ZADD', P .. 'later:' .. e, clock() + wait, sid)
end
return 1`)

	// holdScript (endpoint, consumer, idle milliseconds, stream ids): says of messages that are pending to the consumer for how long nobody has cared for
	// them: 0 keeps them, more gives them to whoever claims what is idle for so long, and with them the lease.
	holdScript = script(`
local e, me, idle = ARGV[1], ARGV[2], ARGV[3]
local q = P .. 'q:' .. e
for i = 4, #ARGV do
  if mine(q, me, ARGV[i]) then redis.call('XCLAIM', q, 'registryd', me, 0, ARGV[i], 'IDLE', idle, 'JUSTID') end
end
if idle ~= '0' and redis.call('GET', P .. 'lease:' .. e) == me then redis.call('DEL', P .. 'lease:' .. e) end
return 1`)
)
