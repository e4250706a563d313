#!lua
-- Locks of a transaction: who waits for whom. They make lockers wait, and decide nothing about
-- commits: that is certification's, so that a lock may expire, or be lost, and nothing is wrong.
--
-- KEYS  locks: 8-byte name of a row or table -> owner and until when; owner -> whom it waits for
-- ARGV  1 owner (a transaction's id), 2 milliseconds that a lock lasts, 0 to take none and only see
--       that nobody holds it, 3 milliseconds that a wait is believed, 4 what to do, 5 names
--   wait, nowait  take all or none
--   skip          take those that are free
--   renew         take again what nobody has taken meanwhile; free: give back
-- Replies {'OK', names that others hold (of skip)}, {'HELD'}, {'DEADLOCK'}

local locks, owner, lease, believed = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local act, names = ARGV[4], ARGV[5]
local OWNER, NAME = 16, 8
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function other(value)
  if value and tonumber(string.sub(value, OWNER + 1)) > now then
    local whose = string.sub(value, 1, OWNER)
    if whose ~= owner then return whose end
  end
end

local function each(act_on)
  for i = 1, #names, NAME do act_on(string.sub(names, i, i + NAME - 1)) end
end

local function until_then(whom, milliseconds)
  return whom .. string.format('%.0f', now + milliseconds)
end

if act == 'free' then
  each(function(name)
    local value = redis.call('HGET', locks, name)
    if value and string.sub(value, 1, OWNER) == owner then redis.call('HDEL', locks, name) end
  end)
  redis.call('HDEL', locks, owner)
  return {'OK', ''}
end

local free, holder = {}, false
each(function(name)
  local whose = other(redis.call('HGET', locks, name))
  if whose then holder = whose else free[#free + 1] = name end
end)

if holder and act == 'wait' then
  local at = holder
  for _ = 1, 1000 do -- a chain of waiting transactions that ends at this one would never end
    local waits = redis.call('HGET', locks, at)
    at = waits and tonumber(string.sub(waits, OWNER + 1)) > now and string.sub(waits, 1, OWNER)
    if not at then break end
    if at == owner then
      redis.call('HDEL', locks, owner)
      return {'DEADLOCK'}
    end
  end
  redis.call('HSET', locks, owner, until_then(holder, believed))
  if redis.call('PTTL', locks) < believed then redis.call('PEXPIRE', locks, believed) end
end
if holder and act ~= 'skip' and act ~= 'renew' then return {'HELD'} end

redis.call('HDEL', locks, owner)
if lease > 0 and #free > 0 then
  for _, name in ipairs(free) do redis.call('HSET', locks, name, until_then(owner, lease)) end
  -- those of clients that have died: two that are looked at for each that is taken keep them few
  local some = redis.call('HRANDFIELD', locks, 4, 'WITHVALUES')
  for i = 1, #some, 2 do
    if tonumber(string.sub(some[i + 1], OWNER + 1)) <= now then
      redis.call('HDEL', locks, some[i])
    end
  end
  redis.call('PEXPIRE', locks, lease)
end
local held = {}
if holder and act == 'skip' then
  local all = redis.call('HGETALL', locks)
  for i = 1, #all, 2 do
    if #all[i] == NAME and other(all[i + 1]) then held[#held + 1] = all[i] end
  end
end
return {'OK', table.concat(held)}
