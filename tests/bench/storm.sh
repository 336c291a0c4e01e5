#!/usr/bin/env bash
# Posts a storm of unique events with some thousand correlation keys over many connections, one event in each request, and
# waits until the incidents' counts are exact. Settings: STORM_EVENTS (200000), STORM_KEYS (5000), STORM_CONNECTIONS (256).
. "$(dirname "$0")/tools/lib.sh"
need curl curl
events=${STORM_EVENTS:-200000} keys=${STORM_KEYS:-5000} connections=${STORM_CONNECTIONS:-256}
tool fsync_time
tool storm_client
"$scratch/fsync_time" "$scratch"
server_start
began=$(date +%s%N)
read -r accepted refused seconds < <("$scratch/storm_client" "$port" "$scratch/home/admin.key" "$events" "$keys" "$connections")
echo "posted: $accepted accepted, $refused refused in $seconds s, $(awk "BEGIN{printf \"%.0f\", $accepted/$seconds}") events/s"
counts() { # prints "incidents events", the numbers over all pages
	python3 - "$port" "$scratch/home/admin.key" <<'P'
import json, sys, urllib.request
port, key = sys.argv[1], open(sys.argv[2]).read().strip()
incidents = events = 0
cursor = ""
while True:
    url = f"http://127.0.0.1:{port}/v1/incidents?source=storm&limit=200" + (f"&cursor={cursor}" if cursor else "")
    page = json.load(urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": "Bearer " + key})))
    incidents += len(page["items"])
    events += sum(item["event_count"] for item in page["items"])
    cursor = page["next_cursor"]
    if not cursor:
        break
print(incidents, events)
P
}
for _ in $(seq 1 60); do
	read -r incidents counted < <(counts)
	[ "$counted" != "$accepted" ] || break
	sleep 0.2
done
took=$(awk "BEGIN{printf \"%.2f\", ($(date +%s%N)-$began)/1e9}")
echo "counted: $counted of $accepted events in $incidents incidents after $took s, $(awk "BEGIN{printf \"%.0f\", $counted/$took}") events/s end to end"
echo "resident: $(rss_kib "$server") KiB, peak $(peak_kib "$server") KiB"
echo "CPU: $(awk "BEGIN{printf \"%.1f\", $(awk '{print $14+$15}' "/proc/$server/stat")*1e6/$(getconf CLK_TCK)/$accepted}") us an event, all threads"
[ "$counted" = "$accepted" ]
