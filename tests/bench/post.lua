-- wrk: POSTs prebuilt events in turn, so that the measurement excludes building them. Environment: BENCH_KEY.
local thread_number = 0
function setup(thread)
	thread:set("number", thread_number)
	thread_number = thread_number + 1
end

function init(args)
	requests = {}
	wrk.headers["Content-Type"] = "application/json"
	wrk.headers["Authorization"] = "Bearer " .. os.getenv("BENCH_KEY")
	local seed = os.time() .. "-" .. number
	for i = 1, 20000 do
		local body = string.format(
			'{"source":"bench","id":"b-%s-%d","title":"Failed password for root from 198.51.100.%d","rule":"sshd-failed",' ..
			'"severity":"low","asset":"host-%05d","actor":"root","type":"intrusion",' ..
			'"observables":[{"type":"ip","value":"198.51.100.%d"}],' ..
			'"attributes":{"facility":"auth","program":"sshd","port":"22","pid":"%d"}}',
			seed, i, i % 250, i % 500, i % 250, i)
		requests[i] = wrk.format("POST", "/v1/events", nil, body)
	end
	at = 0
end

function request()
	at = at % 20000 + 1
	return requests[at]
end

function done(summary, latency, calls)
	io.write(string.format("RESULT %.0f %.0f %d\n", summary.requests / summary.duration * 1e6, latency:percentile(99), summary.errors.status))
end
