-- The generic cell rate algorithm for several counts at once: all of them are counted, or none.
-- KEYS: one for each count; its value is when it will have caught up, in microseconds of this Redis's clock, so that nodes
-- need not agree on the time. ARGV: for each its step and its slack, both in microseconds, and how many are taken; fewer than
-- none gives some back, and is never refused.
-- Gives the place of the count that refuses, from 1, and the microseconds to wait; or 0 and 0.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local ends, longest, place = {}, 0, 0
for i, key in ipairs(KEYS) do
  local step, slack, amount = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local behind = math.max(0, (tonumber(redis.call('GET', key)) or 0) - now)
  if amount > 0 and behind - slack > longest then
    longest, place = behind - slack, i
  end
  ends[i] = behind + step * amount
end
if place > 0 then
  return { place, math.ceil(longest) }
end
for i, key in ipairs(KEYS) do
  if ends[i] > 0 then
    redis.call('SET', key, string.format('%.0f', now + ends[i]), 'PX', math.ceil(ends[i] / 1000))
  else
    redis.call('DEL', key)
  end
end
return { 0, 0 }
