#!lua
-- Certify one transaction and, if nobody came first, append it to the log and store its rows.
-- Atomic, and repeatable: the same transaction sent again is found, not done twice.
--
-- KEYS  head, log, versions, ids, schema, totals, then a hash of rows for each table that is
--       written; locks, if the transaction holds any
-- ARGV  1 request, 2 payload of the log entry
-- payload = {1, tables}, or of DDL {0, the whole new schema, tables whose rows are stored anew}
-- request = {epoch, seq, hash, known, transaction, checks, bumps, wanted ids, id floors, keep,
--   locks, {{table, least key, largest key}, …} where keys are committed in order, sums, anew,
--   tables whose numbers go on, of DDL}
--   epoch, seq, hash   the state that the transaction read
--   known              up to where its process has the log
--   wanted ids         {{table, how many}, …}; id floors and keys in order are texts
--   locks              8-byte names that the transaction holds, given back with its commit
--   checks, bumps      8-byte keys: unchanged since seq, changed by this
--   sums               tables, each with what this adds to the sum of its rows
--   anew               whether it is DDL
-- Replies {'OK', seq, hash, entries after known, first of each id block or nothing, epoch},
--   {'CONFLICT', number of the check, entries after known}, {'BEHIND'}, {'DIVERGED'}, {'FORMAT', x},
--   {'LATE', table}, {'LOST', which key, what it holds, what it must hold}
-- Entries are packed, {number of the first, hash, payload, hash, payload, …}, or '' for none: nested
-- answers cost more. Where one is missing between them, the hashes do not chain.
-- Format 1 knows no totals: nothing is counted there.

local head, log, versions, ids, schema = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local totals, ROWS = KEYS[6], 6
local q = cmsgpack.unpack(ARGV[1])
local epoch, seq, hash, known, transaction = q[1], q[2], q[3], q[4], q[5]
local checks, bumps, wanted, floors, keep = q[6], q[7], q[8], q[9], q[10]
local locks, orders, sums, anew, kept = q[11], q[12], q[13], q[14], q[15]
local FORMAT, UNCOUNTED, KEY, SUMS_END, EXACT_DIGITS = '2', '1', 8, 2 ^ 52, 15
local AT_ONCE = 1000 -- arguments of one command: Lua's stack ends at 8,000

-- Numbers of rows are texts here: Lua's own are exact below 2^53 only. What is no number is 0.
local function given(name)
  local last = redis.call('HGET', ids, name)
  return last and string.match(last, '^%d+$') or '0'
end
local function less(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end

local function split(keys)
  local found = {}
  for i = 1, #keys, KEY do found[#found + 1] = string.sub(keys, i, i + KEY - 1) end
  return found
end

-- One command, or several where there are many values; what they answer, together.
local function count(command, key, values)
  local sum = 0
  for i = 1, #values, AT_ONCE do
    sum = sum + redis.call(command, key, unpack(values, i, math.min(i + AT_ONCE - 1, #values)))
  end
  return sum
end

local function changed_at(keys)
  if #keys <= AT_ONCE then return redis.call('HMGET', versions, unpack(keys)) end
  local found = {}
  for i = 1, #keys, AT_ONCE do
    local last = math.min(i + AT_ONCE - 1, #keys)
    for _, number in ipairs(redis.call('HMGET', versions, unpack(keys, i, last))) do
      found[#found + 1] = number
    end
  end
  return found
end

-- What a script has written stays when it fails: find out about foreign keys before that.
local held = {versions = redis.call('HLEN', versions), log = redis.call('XLEN', log),
  schema = redis.call('LLEN', schema), totals = redis.call('HLEN', totals)}
local leases = anew or #wanted + #floors + #orders > 0
local leased = leases and redis.call('HLEN', ids)
local lengths = {}
for i = ROWS + 1, #KEYS do lengths[i] = redis.call('HLEN', KEYS[i]) end

local at = redis.call('HMGET', head, 'format', 'epoch', 'seq', 'hash', 'oldest', 'keep',
  'versions', 'statements', 'totals', 'schema', 'ids')
if at[1] and at[1] ~= FORMAT and at[1] ~= UNCOUNTED then return {'FORMAT', at[1]} end
if not (at[1] and at[2] and at[4] and tonumber(at[3] or '') and tonumber(at[5] or '')
    and tonumber(at[6] or '') and tonumber(at[10] or '')) then
  -- ids may be there: keys are leased while the transaction that makes the first table still runs
  local others = redis.call('EXISTS', unpack(KEYS)) - redis.call('EXISTS', ids)
  if others > 0 then return {'FORMAT', 'none'} end
  if epoch ~= '' then return {'DIVERGED'} end
  epoch = transaction
  at = {FORMAT, epoch, '0', '', '1', tostring(keep), '0', '0', '0', '0', '0'}
  redis.call('HSET', head, 'format', FORMAT, 'epoch', epoch, 'seq', 0, 'hash', '', 'oldest', 1,
    'keep', keep, 'schema', 0, 'statements', 0, 'totals', 0)
end
local now, last, oldest = tonumber(at[3]), at[4], tonumber(at[5])
if epoch == '' and seq == 0 then epoch = at[2] end
if epoch ~= at[2] or seq > now then return {'DIVERGED'} end
if known < seq or known > now then known = seq end

local function missed()
  if known == now then return '' end
  local found = {known + 1}
  for i, e in ipairs(redis.call('XRANGE', log, string.format('%.0f-0', known + 1), '+')) do
    found[2 * i], found[2 * i + 1] = e[2][2], e[2][4]
  end
  return cmsgpack.pack(found)
end

-- Whoever has read the whole database depends on nobody having taken a part of it away.
local counted, sum = at[1] == FORMAT, {}
if counted then
  local function lost(name, right)
    if held[name] ~= right then return {'LOST', name, held[name], right} end
  end
  local found = lost('versions', tonumber(at[7] or 0)) or lost('log', now - oldest + 1)
    or lost('schema', tonumber(at[8] or 0)) or lost('totals', tonumber(at[9] or 0))
  if found then return found end
  local once = tonumber(at[11] or 0) -- leases come without commits: there may be more
  if leases and leased < once then return {'LOST', 'ids', leased, once} end
  for n, t in ipairs(sums) do
    local total = redis.call('HGET', totals, t[1]) or '0 0'
    local before, sum_before = string.match(total, '^(%d+) (%d+)$')
    local rows = tonumber(before or 0)
    if lengths[ROWS + n] ~= rows then return {'LOST', 'rows:' .. t[1], lengths[ROWS + n], rows} end
    sum[n] = anew and 0 or tonumber(sum_before or 0)
  end
end

-- Where nothing came after seq, nothing has changed after it, and this is not done either.
local numbers = {}
if seq ~= now then
  checks = split(checks)
  checks[#checks + 1] = transaction
  numbers = changed_at(checks)
end
local done = numbers[#numbers]
if done then
  local e = redis.call('XRANGE', log, done .. '-0', done .. '-0')
  return {'OK', tonumber(done), e[1][2][2], missed(), {}, epoch}
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

for i, changed in ipairs(numbers) do
  if changed and tonumber(changed) > seq then return {'CONFLICT', i - 1, missed()} end
end
for _, o in ipairs(orders) do
  if not less(given(o[1] .. '\0'), o[2]) then return {'LATE', o[1]} end
end

local news = missed()
local number = now + 1
local as_text = string.format('%.0f', number)
local chained = redis.sha1hex(last .. ARGV[2])
-- First what may fail: what a script has written before that stays.
redis.call('XADD', log, as_text .. '-0', 'h', chained, 'd', ARGV[2],
  'k', bumps .. transaction)
local added = held.totals
local changes = {transaction, as_text}
for i = 1, #bumps, KEY do
  changes[#changes + 1], changes[#changes + 2] = string.sub(bumps, i, i + KEY - 1), as_text
end
local indexed = held.versions + count('HSET', versions, changes)

local entry, new = cmsgpack.unpack(ARGV[2]), {}
local tables = anew and entry[3] or entry[2]
if anew then
  redis.call('DEL', schema)
  for _, statement in ipairs(entry[2]) do redis.call('RPUSH', schema, statement) end
  new = {'schema', string.format('%.0f', (tonumber(at[10]) or 0) + 1)}
  if counted then new[3], new[4] = 'statements', #entry[2] end
  for n, t in ipairs(tables) do
    redis.call('DEL', KEYS[ROWS + n])
    lengths[ROWS + n] = 0
    local goes_on = false
    for _, name in ipairs(kept) do goes_on = goes_on or name == t[1] end
    if not goes_on then redis.call('HDEL', ids, t[1], t[1] .. '\0') end
  end
end
for n, t in ipairs(tables) do
  local rows, name, there, gone = t[2], KEYS[ROWS + n], {}, {}
  for i = 1, #rows, 2 do
    if rows[i + 1] then there[#there + 1], there[#there + 2] = rows[i], rows[i + 1]
    else gone[#gone + 1] = rows[i] end
  end
  local left = lengths[ROWS + n] + count('HSET', name, there) - count('HDEL', name, gone)
  if counted then
    local total = (sum[n] + sums[n][2]) % SUMS_END
    if left == 0 and total == 0 then added = added - redis.call('HDEL', totals, t[1])
    else added = added + redis.call('HSET', totals, t[1], string.format('%.0f %.0f', left, total)) end
  end
end
for _, f in ipairs(floors) do
  if less(given(f[1]), f[2]) then redis.call('HSET', ids, f[1], f[2]) end
end
for _, o in ipairs(orders) do redis.call('HSET', ids, o[1] .. '\0', o[3]) end
local blocks = {}
for i, w in ipairs(wanted) do
  local last = given(w[1])
  blocks[i] = #last <= EXACT_DIGITS and tonumber(last) + 1
  if blocks[i] then redis.call('HSET', ids, w[1], string.format('%.0f', last + w[2])) end
end

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
    local keys, unchanged = split(string.sub(e[2][6], 1, -17)), {}
    keys[#keys + 1] = string.sub(e[2][6], -16)
    for i, changed in ipairs(changed_at(keys)) do
      if changed == from then unchanged[#unchanged + 1] = keys[i] end
    end
    indexed = indexed - count('HDEL', versions, unchanged)
    redis.call('XDEL', log, e[1])
    oldest = tonumber(from) + 1
  end
end
if counted then
  new[#new + 1], new[#new + 2] = 'versions', indexed
  if added ~= held.totals then new[#new + 1], new[#new + 2] = 'totals', added end
  if leases then new[#new + 1], new[#new + 2] = 'ids', redis.call('HLEN', ids) end
end
if oldest ~= tonumber(at[5]) then new[#new + 1], new[#new + 2] = 'oldest', oldest end
redis.call('HSET', head, 'seq', as_text, 'hash', chained, unpack(new))
return {'OK', number, chained, news, blocks, epoch}
