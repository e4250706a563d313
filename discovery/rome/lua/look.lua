#!lua flags=no-writes
-- Whether the keys of a database hold as much as was committed: how much, not what.
--
-- KEYS  head, log, versions, ids, schema, totals, then a hash of rows for each of some tables
-- ARGV  these tables
-- Replies {'OK'}, or {'LOST', which key, what it holds, what it must hold}
-- Format 1 knows no totals. Where the head is not whole there may be no database yet; sync.lua tells.

local at = redis.call('HMGET', KEYS[1], 'format', 'seq', 'oldest', 'versions', 'statements', 'totals',
  'ids')
if at[1] ~= '2' or not (at[2] and at[3]) then return {'OK'} end
local leased, given = redis.call('HLEN', KEYS[4]), tonumber(at[7] or 0)
if leased < given then return {'LOST', 'ids', leased, given} end
local held = {
  {'log', redis.call('XLEN', KEYS[2]), at[2] - at[3] + 1},
  {'versions', redis.call('HLEN', KEYS[3]), tonumber(at[4] or 0)},
  {'schema', redis.call('LLEN', KEYS[5]), tonumber(at[5] or 0)},
  {'totals', redis.call('HLEN', KEYS[6]), tonumber(at[6] or 0)},
}
for _, one in ipairs(held) do
  if one[2] ~= one[3] then return {'LOST', one[1], one[2], one[3]} end
end
for n, name in ipairs(ARGV) do
  local total = redis.call('HGET', KEYS[6], name)
  local rows = total and tonumber(string.match(total, '^%d+')) or 0
  local found = redis.call('HLEN', KEYS[6 + n])
  if found ~= rows then return {'LOST', 'rows:' .. name, found, rows} end
end
return {'OK'}
