-- Sends GET requests for the targets of a file, one line each, in turn. They are formatted before the load begins.
local requests, at = {}, 0

function init(arguments)
    for target in io.lines(arguments[1]) do
        requests[#requests + 1] = wrk.format("GET", target)
    end
end

function request()
    at = at % #requests + 1
    return requests[at]
end
