#!lua
-- Certify one transaction and, if nobody came first, append it to the log and store its rows.
-- Atomic, and repeatable: the same transaction sent again is found, not done twice.
--
-- KEYS  head, log, versions, ids, schema, then a hash of rows for each table that is written;
--       locks, if the transaction holds any
-- ARGV  1 request, 2 payload of the log entry
-- payload = {1, tables}, or of DDL {0, the whole new schema, tables whose rows are stored anew}
-- request = {epoch, seq, hash, known, transaction, checks, bumps, wanted ids, id floors, keep,
--   locks, {{table, least key, largest key}, …} where keys are committed in order}
--   epoch, seq, hash   the state that the transaction read
--   known              up to where its process has the log
--   locks              8-byte names that the transaction holds, given back with its commit
--   checks, bumps      8-byte keys: unchanged since seq, changed by this
-- Replies {'OK', seq, hash, entries after known, first of each id block, epoch},
--   {'CONFLICT', number of the check, entries after known}, {'BEHIND'}, {'DIVERGED'}, {'FORMAT', x},
--   {'LATE', table}

local head, log, versions, ids, schema = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local q = cmsgpack.unpack(ARGV[1])
local epoch, seq, hash, known, transaction = q[1], q[2], q[3], q[4], q[5]
local checks, bumps, wanted, floors, keep = q[6], q[7], q[8], q[9], q[10]
local locks, orders = q[11], q[12]
local FORMAT, KEY = '1', 8

local function entries_after(number)
  local found = {}
  for i, e in ipairs(redis.call('XRANGE', log, string.format('%.0f-0', number + 1), '+')) do
    found[i] = {tonumber(string.match(e[1], '^%d+')), e[2][2], e[2][4]}
  end
  return found
end

-- What a script has written stays when it fails: find out about foreign keys before that.
redis.call('HLEN', versions)
redis.call('XLEN', log)
redis.call('LLEN', schema)
redis.call('HLEN', ids)
for i = 6, #KEYS do redis.call('HLEN', KEYS[i]) end

local at = redis.call('HMGET', head, 'format', 'epoch', 'seq', 'hash', 'oldest', 'keep')
if not at[1] then
  -- ids may be there: keys are leased while the transaction that makes the first table still runs
  local others = redis.call('EXISTS', unpack(KEYS)) - redis.call('EXISTS', ids)
  if others > 0 then return {'FORMAT', 'none'} end
  if epoch ~= '' then return {'DIVERGED'} end
  epoch = transaction
  at = {FORMAT, epoch, '0', '', '1', tostring(keep)}
  redis.call('HSET', head, 'format', FORMAT, 'epoch', epoch, 'seq', 0, 'hash', '', 'oldest', 1,
    'keep', keep, 'schema', 0)
end
if at[1] ~= FORMAT then return {'FORMAT', at[1]} end
local now, last, oldest = tonumber(at[3]), at[4], tonumber(at[5])
if epoch == '' and seq == 0 then epoch = at[2] end
if epoch ~= at[2] or seq > now then return {'DIVERGED'} end
if known < seq or known > now then known = seq end

local done = redis.call('HGET', versions, transaction)
if done then
  local e = redis.call('XRANGE', log, string.format('%.0f-0', done), string.format('%.0f-0', done))
  return {'OK', tonumber(done), e[1][2][2], entries_after(known), {}, epoch}
end

if seq == now then
  if hash ~= last then return {'DIVERGED'} end
elseif seq + 1 < oldest then
  return {'BEHIND'}
elseif seq > 0 then
  local mine = redis.call('XRANGE', log, string.format('%.0f-0', seq), string.format('%.0f-0', seq))
  if #mine == 0 then return {'BEHIND'} end
  if mine[1][2][2] ~= hash then return {'DIVERGED'} end
end

for i = 1, #checks, KEY do
  local version = redis.call('HGET', versions, string.sub(checks, i, i + KEY - 1))
  if version and tonumber(version) > seq then
    return {'CONFLICT', (i - 1) / KEY, entries_after(known)}
  end
end
for _, o in ipairs(orders) do
  if tonumber(redis.call('HGET', ids, o[1] .. '\0') or '0') >= o[2] then return {'LATE', o[1]} end
end

local missed = entries_after(known)
local number = now + 1
local chained = redis.sha1hex(last .. ARGV[2])
for i = 1, #bumps, KEY do redis.call('HSET', versions, string.sub(bumps, i, i + KEY - 1), number) end
redis.call('HSET', versions, transaction, number)

local entry = cmsgpack.unpack(ARGV[2])
local tables = entry[2]
if entry[1] == 0 then
  tables = entry[3]
  redis.call('DEL', schema)
  for _, statement in ipairs(entry[2]) do redis.call('RPUSH', schema, statement) end
  redis.call('HINCRBY', head, 'schema', 1)
  for n, t in ipairs(tables) do
    redis.call('DEL', KEYS[5 + n])
    redis.call('HDEL', ids, t[1], t[1] .. '\0')
  end
end
for n, t in ipairs(tables) do
  local rows, name = t[2], KEYS[5 + n]
  for i = 1, #rows, 2 do
    if rows[i + 1] then redis.call('HSET', name, rows[i], rows[i + 1])
    else redis.call('HDEL', name, rows[i]) end
  end
end
for _, f in ipairs(floors) do
  if tonumber(redis.call('HGET', ids, f[1]) or '0') < f[2] then
    redis.call('HSET', ids, f[1], string.format('%.0f', f[2]))
  end
end
for _, o in ipairs(orders) do redis.call('HSET', ids, o[1] .. '\0', string.format('%.0f', o[3])) end
local blocks = {}
for i, w in ipairs(wanted) do blocks[i] = redis.call('HINCRBY', ids, w[1], w[2]) - w[2] + 1 end

redis.call('XADD', log, string.format('%.0f-0', number), 'h', chained, 'd', ARGV[2],
  'k', bumps .. transaction)
redis.call('HSET', head, 'seq', string.format('%.0f', number), 'hash', chained)

for i = 1, #locks, KEY do
  local name = string.sub(locks, i, i + KEY - 1)
  local value = redis.call('HGET', KEYS[#KEYS], name)
  if value and string.sub(value, 1, 16) == transaction then redis.call('HDEL', KEYS[#KEYS], name) end
end

-- The index of versions covers exactly the entries that are kept: each commit takes the two oldest
-- of those that are too many with it, and their keys unless a later commit has changed them.
if number - oldest + 1 > tonumber(at[6]) then
  for _, e in ipairs(redis.call('XRANGE', log, '-', '+', 'COUNT', 2)) do
    local from = string.match(e[1], '^%d+')
    if tonumber(from) + tonumber(at[6]) > number then break end
    local keys = e[2][6]
    local function forget(key)
      if redis.call('HGET', versions, key) == from then redis.call('HDEL', versions, key) end
    end
    for i = 1, #keys - 16, KEY do forget(string.sub(keys, i, i + KEY - 1)) end
    forget(string.sub(keys, -16))
    redis.call('XDEL', log, e[1])
    redis.call('HSET', head, 'oldest', tonumber(from) + 1)
  end
end
return {'OK', number, chained, missed, blocks, epoch}
