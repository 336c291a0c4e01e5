#!/bin/bash
# Builds the image by podman, as `make images` does, checks its size, labels, configuration and health check, and runs the scenarios
# against `tocsin serve` in a container of this image. Skipped, with the reason, if no container can run.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/support/container.sh
container_need
version=$("$BUILD/bin/tocsin" version | cut -d ' ' -f 2)
image=localhost/tocsin-test:$version

say 'building the image'
ENGINES=podman tools/images.sh "$image" --isolation chroot --network host --build-arg "BASE=$base" >"$BUILD/image-build.log" 2>&1 || {
	tail -n 30 "$BUILD/image-build.log"
	exit 1
}
failed=0
is() { # NAME EXPECTED FOUND
	[[ $2 == "$3" ]] && return
	say "$1: expected '$2', found '$3'"
	failed=1
}
config() { podman image inspect --format "{{json .Config.$1}}" "$image"; }
label() { podman image inspect --format "{{index .Config.Labels \"org.opencontainers.image.$1\"}}" "$image"; }

bytes=$(podman image inspect --format '{{.Size}}' "$image")
say "$((bytes / 1000000)) MB"
is 'larger than 120 MB' no "$( ((bytes <= 120000000)) && echo no || echo yes)"
is 'the label of the version' "$version" "$(label version)"
is 'the label of the revision' "$(tools/images.sh revision)" "$(label revision)"
versions='for program in "$0"/tocsin*; do "$program" --version; done'
is 'the versions of the programs' "$(sh -c "$versions" "$BUILD/bin")" "$(podman run --rm --network host --no-healthcheck \
	--ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "$image" sh -c "$versions" /usr/bin)"
is 'the label of the licence' Apache-2.0 "$(label licenses)"
is 'the user' '"10001:10001"' "$(config User)"
is 'the command' '["tocsin","serve"]' "$(config Cmd)"
is 'the volume' '{"/var/lib/tocsin":{}}' "$(config Volumes)"
is 'the health check' '["CMD","tocsin","healthcheck"]' "$(podman image inspect --format '{{json .HealthCheck.Test}}' "$image")"
is 'the interval of the health check, in ns' 10000000000 "$(podman image inspect --format '{{json .HealthCheck.Interval}}' "$image")"
is 'variables with secrets' '' "$(podman image inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$image" | grep -E 'KEY|SECRET|PASSWORD|SMTP' || true)"

# The image's health check succeeds while the server answers, and fails while the server is suspended by SIGSTOP. The container has
# an empty setting and an empty file for a secret, as in docker-compose.yml if no secret is set.
container=tocsin-health-$$
quietly() { "$@" >/dev/null 2>"$BUILD/image-health.log" || { cat "$BUILD/image-health.log" && exit 1; }; } # without systemd podman prints many warnings
trap 'podman rm --force --time 0 "$container" >/dev/null 2>&1 || true' EXIT
listen=127.0.0.1:$((20000 + RANDOM % 10000))
quietly podman run -d --name "$container" --network host --health-interval disable --read-only --cap-drop all --ulimit nofile=4096:4096 \
	--ulimit nproc=1024:1024 --env "TOCSIN_LISTEN=$listen" --env "TOCSIN_URL=http://$listen" --env TOCSIN_SMTP_URL_FILE= \
	--volume /dev/null:/run/secrets/smtp_url:ro "$image"
healthy() { podman healthcheck run "$container" >/dev/null 2>&1; }
for _ in {1..100}; do healthy && break || sleep 0.1; done
health=$(healthy && echo healthy || echo "unhealthy: $(podman logs "$container" 2>&1 | tail -n 3)")
is 'the health of a running server' healthy "$health"
quietly podman kill --signal STOP "$container"
is 'the health of a stopped process' unhealthy "$(healthy && echo healthy || echo unhealthy)"
quietly podman kill --signal CONT "$container"
quietly podman stop --time 20 "$container"
is 'the exit code' 0 "$(podman inspect --format '{{.State.ExitCode}}' "$container")"

echo "$((1 - failed)) passed, $failed failed, 0 skipped"
((failed == 0))
quietly podman rm --force "$container"
PODMAN='podman --runtime runc' TOCSIN_IMAGE=$image exec "${PYTHON:-python3}" tests/scenario/run.py --mode container "$@"
