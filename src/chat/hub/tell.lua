-- Adds entries to a conversation's log and announces each. KEYS: log, live. ARGV: now (ms), floor, entries kept, time kept
-- (ms), then for each entry: what it does to the text so far, with which text, and the entry. Gives the place of each
-- entry and of the one before it.
local function parts(id)
    local ms, number = string.match(id, '^(%d+)-(%d+)$')
    return tonumber(ms), tonumber(number)
end
local before = '0-0'
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if newest[1] then before = newest[1][1] end
local ms, number = parts(before)
local floor_ms, floor_number = parts(ARGV[2])
if floor_ms > ms or (floor_ms == ms and floor_number > number) then ms, number = floor_ms, floor_number end
local now = tonumber(ARGV[1])
local places = {}
for at = 5, #ARGV, 3 do
    local verb, text, entry = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    if now > ms then ms, number = now, 0 else number = number + 1 end
    local place = string.format('%.0f-%.0f', ms, number)
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], place, 'before', before, 'note', entry)
    if verb == 'SET' then
        redis.call('SET', KEYS[2], text)
    elseif verb == 'APPEND' then
        -- Only to the reply's own text: of a text that was lost there is no second half.
        local head = string.match(text, '^%d+:')
        if redis.call('GETRANGE', KEYS[2], 0, #head - 1) == head then
            redis.call('APPEND', KEYS[2], string.sub(text, #head + 1))
        end
    elseif verb == 'END' then
        -- Only theirs: a reply that is stopped in line ends while another is being written.
        for head in string.gmatch(text, '%d+:') do
            if redis.call('GETRANGE', KEYS[2], 0, #head - 1) == head then redis.call('DEL', KEYS[2]) end
        end
    end
    redis.call('PUBLISH', KEYS[1], place .. ' ' .. before .. ' ' .. entry)
    places[#places + 1] = { place, before }
    before = place
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return places
