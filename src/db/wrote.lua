-- Notes how far somebody has written, never less far than before: nodes may say so in another order than they wrote.
-- KEYS: whose. ARGV: the place, and for how many milliseconds it is remembered.
if tonumber(ARGV[1]) > (tonumber(redis.call('GET', KEYS[1])) or 0) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 0
