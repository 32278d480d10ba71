-- What wrk asks, and what it looks at in the answers. BENCH_REQUESTS names a file of requests, one a line, fields by tabs: method,
-- path, token, body. In a body, @@ stands for a word that no other request has. Says what it counted as one line of JSON.

local threads = {}

function setup(thread)
    thread:set("number", #threads)
    table.insert(threads, thread)
end

function init()
    run = os.getenv("BENCH_RUN")
    requests, at, unique, bad, example = {}, 0, false, 0, ""
    for line in io.lines(os.getenv("BENCH_REQUESTS")) do
        local method, path, token, body = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)$")
        local headers = { ["Content-Type"] = "application/json" }
        if token ~= "" then headers["Authorization"] = "Bearer " .. token end
        if body == "" then body = nil end
        if body and body:find("@@", 1, true) then
            unique = true
            table.insert(requests, { method, path, headers, body })
        else
            table.insert(requests, wrk.format(method, path, headers, body))
        end
    end
    -- Threads begin at different places.
    at = math.floor(number * #requests / tonumber(os.getenv("BENCH_THREADS")))
end

function request()
    at = at + 1
    local chosen = requests[at % #requests + 1]
    if not unique then return chosen end
    local word = run .. "." .. number .. "." .. at
    return wrk.format(chosen[1], chosen[2], chosen[3], (chosen[4]:gsub("@@", word)))
end

function response(status, headers, body)
    if status ~= 200 or body:sub(1, 9) ~= '{"data":{' or body:find('},"errors":[', 1, true) then
        bad = bad + 1
        if bad == 1 then example = status .. " " .. body:sub(1, 300) end
    end
end

function done(summary, latency)
    local bad, example = 0, ""
    for _, thread in ipairs(threads) do
        bad = bad + thread:get("bad")
        if thread:get("example") ~= "" then example = thread:get("example") end
    end
    local errors = summary.errors
    io.write(string.format(
        '\nBENCH {"requests":%d,"seconds":%f,"p50":%f,"p99":%f,"broken":%d,"bad":%d,"example":"%s"}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
        errors.connect + errors.read + errors.write + errors.timeout, bad, (example:gsub('[%c"\\]', "'"))))
end
