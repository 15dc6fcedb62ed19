-- Posts bodies in turn, each with an Idempotency-Key that is new everywhere. The lines of the file: target, credential, bodies.
local target, bodies, prefix, count = nil, {}, nil, 0
local headers = { ["Content-Type"] = "application/json" }

function init(arguments)
    for line in io.lines(arguments[1]) do
        if target == nil then target = line
        elseif headers["Authorization"] == nil then headers["Authorization"] = line
        else bodies[#bodies + 1] = line end
    end
    prefix = arguments[2]
end

function request()
    count = count + 1
    headers["Idempotency-Key"] = "\"" .. prefix .. "-" .. count .. "\""
    return wrk.format("POST", target, headers, bodies[count % #bodies + 1])
end
