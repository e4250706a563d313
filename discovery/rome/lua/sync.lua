#!lua flags=no-writes
-- What has been committed since a state, or why that state is no longer part of this history.
--
-- KEYS  head, log
-- ARGV  epoch, seq, hash, how many entries at most
-- Replies {'OK', entries, 1 if there are more}, {'BEHIND'}, {'DIVERGED'}, {'FORMAT', x}; x is 'none'
--   where the head is not whole
-- Entries are packed, as certify.lua does it.

local BYTES = 8000000 -- payloads that are sent at once, about: Redis must not be busy for long

local epoch, hash = ARGV[1], ARGV[3]
local at = redis.call('HMGET', KEYS[1], 'format', 'epoch', 'seq', 'hash', 'oldest', 'keep', 'schema')
if at[1] and at[1] ~= '1' and at[1] ~= '2' then return {'FORMAT', at[1]} end
if not (at[1] and at[2] and at[4] and tonumber(at[3] or '') and tonumber(at[5] or '')
    and tonumber(at[6] or '') and tonumber(at[7] or '')) then
  if redis.call('EXISTS', KEYS[1], KEYS[2]) > 0 then return {'FORMAT', 'none'} end
  if epoch == '' then return {'OK', '', 0} end
  return {'DIVERGED'}
end
if epoch == at[2] and ARGV[2] == at[3] then
  if hash ~= at[4] then return {'DIVERGED'} end
  return {'OK', '', 0}
end
local seq, now, most = tonumber(ARGV[2]), tonumber(at[3]), tonumber(ARGV[4])
if epoch == '' then return {'BEHIND'} end
if epoch ~= at[2] or seq > now then return {'DIVERGED'} end
if seq + 1 < tonumber(at[5]) then return {'BEHIND'} end
local found, count, size, mine = {seq + 1}, 0, 0, ARGV[2] .. '-0'
local from, step = mine, 50
repeat
  local part = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', step)
  for _, e in ipairs(part) do
    if mine then -- nothing else tells whether its history is this one
      if e[1] ~= mine then return {'BEHIND'} end
      if e[2][2] ~= hash then return {'DIVERGED'} end
      mine = false
    else
      if count >= most or size >= BYTES then return {'OK', cmsgpack.pack(found), 1} end
      count, size = count + 1, size + #e[2][4]
      found[2 * count], found[2 * count + 1] = e[2][2], e[2][4]
    end
    from = '(' .. e[1]
  end
  if mine then return {'BEHIND'} end
until #part < step
return {'OK', count > 0 and cmsgpack.pack(found) or '', 0}
