#!lua flags=no-writes
-- What has been committed since a state, or why that state is no longer part of this history.
--
-- KEYS  head, log
-- ARGV  epoch, seq, hash, how many entries at most
-- Replies {'OK', entries, 1 if there are more}, {'BEHIND'}, {'DIVERGED'}, {'FORMAT', x}

local BYTES = 8000000 -- payloads that are sent at once, about: Redis must not be busy for long

local epoch, seq, hash, most = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local at = redis.call('HMGET', KEYS[1], 'format', 'epoch', 'seq', 'hash', 'oldest')
if not at[1] then
  if redis.call('EXISTS', KEYS[1], KEYS[2]) > 0 then return {'FORMAT', 'none'} end
  if epoch == '' then return {'OK', {}, 0} end
  return {'DIVERGED'}
end
if at[1] ~= '1' and at[1] ~= '2' then return {'FORMAT', at[1]} end
local now = tonumber(at[3])
if epoch == '' then return {'BEHIND'} end
if epoch ~= at[2] or seq > now then return {'DIVERGED'} end
if seq == now then
  if hash ~= at[4] then return {'DIVERGED'} end
  return {'OK', {}, 0}
end
if seq + 1 < tonumber(at[5]) then return {'BEHIND'} end
local found, mine, size = {}, false, 0
local from, step = string.format('%.0f-0', seq), 50
repeat
  local part = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', step)
  for _, e in ipairs(part) do
    local number = tonumber(string.match(e[1], '^%d+'))
    if number == seq then
      if e[2][2] ~= hash then return {'DIVERGED'} end
      mine = true
    else
      if #found >= most or size >= BYTES then return {'OK', found, 1} end
      found[#found + 1] = {number, e[2][2], e[2][4]}
      size = size + #e[2][4]
    end
    from = '(' .. e[1]
  end
  if not mine then return {'BEHIND'} end -- nothing left to tell whether its history is this one
until #part < step
return {'OK', found, 0}
