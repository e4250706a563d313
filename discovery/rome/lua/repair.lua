#!lua
-- Put a database right: one entry of the log, after which every process boots.
-- Nothing is looked at but the head: what is damaged would not pass certification. A head that is
-- not whole is put right first; nobody commits while it is not.
--
-- KEYS  head, log, versions, ids, schema, totals, then a hash of rows for each table that is stored
--       anew
-- ARGV  1 request, 2 payload of the entry: {0, the whole schema, tables}
-- request = {epoch, seq, hash, keys changed, id of this transaction, whether the log begins anew,
--   {{table, total}, …} of all, {{table, least id as text}, …}, epoch, seq and hash as they were found
--   ('' of one that is lost), {field, value, …} of a head that was not whole}
-- Replies {'OK', seq} or {'MOVED'}: somebody has written since the head was read

local MOST = '9223372036854775807'

-- Numbers of rows are texts here: Lua's own are exact below 2^53 only.
local function less(last, least)
  local function before(a, b) return #a < #b or (#a == #b and a < b) end
  return not string.match(last, '^%d+$') or before(MOST, last) or before(last, least)
end

local head, log, versions, ids, schema, totals = unpack(KEYS, 1, 6)
local q = cmsgpack.unpack(ARGV[1])
local at = redis.call('HMGET', head, 'epoch', 'seq', 'hash')
for i = 1, 3 do
  if (at[i] or '') ~= q[9][i] then return {'MOVED'} end
end
if #q[10] > 0 then redis.call('HSET', head, unpack(q[10])) end
local number = q[2] + 1
local bumps, transaction, anew = q[4], q[5], q[6]
local chained = redis.sha1hex(q[3] .. ARGV[2])
local oldest = redis.call('HGET', head, 'oldest')
if anew then
  redis.call('DEL', log, versions)
  oldest = string.format('%.0f', number)
end

local entry = cmsgpack.unpack(ARGV[2])
redis.call('DEL', schema)
for _, statement in ipairs(entry[2]) do redis.call('RPUSH', schema, statement) end
for i = 7, #KEYS do redis.call('DEL', KEYS[i]) end
for n, t in ipairs(entry[3]) do
  for i = 1, #t[2], 2 do redis.call('HSET', KEYS[6 + n], t[2][i], t[2][i + 1]) end
end
redis.call('DEL', totals)
for _, t in ipairs(q[7]) do redis.call('HSET', totals, t[1], t[2]) end
for _, f in ipairs(q[8]) do
  if less(redis.call('HGET', ids, f[1]) or '0', f[2]) then redis.call('HSET', ids, f[1], f[2]) end
end
for i = 1, #bumps, 8 do redis.call('HSET', versions, string.sub(bumps, i, i + 7), number) end
redis.call('HSET', versions, transaction, number)
redis.call('XADD', log, string.format('%.0f-0', number), 'h', chained, 'd', ARGV[2],
  'k', bumps .. transaction)
redis.call('HSET', head, 'format', '2',
  'schema', string.format('%.0f', (tonumber(redis.call('HGET', head, 'schema') or '') or 0) + 1),
  'seq', string.format('%.0f', number), 'hash', chained,
  'oldest', oldest, 'statements', #entry[2], 'versions', redis.call('HLEN', versions),
  'totals', redis.call('HLEN', totals), 'ids', redis.call('HLEN', ids))
return {'OK', number}
