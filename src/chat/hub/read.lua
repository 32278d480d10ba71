-- Reads a conversation's log with the text so far, as of one moment; begins the log where there is none. KEYS: log, live.
-- ARGV: now (ms), from where, time kept (ms). Gives the entries (place, place before, entry), the newest place, the text.
if redis.call('EXISTS', KEYS[1]) == 0 then
    redis.call('XADD', KEYS[1], ARGV[1] .. '-0', 'before', '0-0', 'note', '"birth"')
    redis.call('DEL', KEYS[2])
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
local entries = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], ARGV[2], '+')) do
    entries[#entries + 1] = { entry[1], entry[2][2], entry[2][4] }
end
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
return { entries, newest[1][1], redis.call('GET', KEYS[2]) }
