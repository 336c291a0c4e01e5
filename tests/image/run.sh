#!/bin/bash
# Builds the image by podman, as `make images` does, looks at what it says of itself, and plays the scenarios to `tocsin serve` in
# a container of it. Where no container can be run, this is skipped, with the reason.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/support/container.sh
container_need
version=$("$BUILD/bin/tocsin" version | cut -d ' ' -f 2)
image=localhost/tocsin-test:$version

say 'building'
ENGINES=podman tools/images.sh "$image" --isolation chroot --network host --build-arg "BASE=$base" >"$BUILD/image-build.log" 2>&1 || {
	tail -n 30 "$BUILD/image-build.log"
	exit 1
}
failed=0
is() { # WHAT WANTED FOUND
	[[ $2 == "$3" ]] && return
	say "$1 is '$3' instead of '$2'"
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
is 'what the programs in it are' "$(sh -c "$versions" "$BUILD/bin")" "$(podman run --rm --network host --no-healthcheck \
	--ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "$image" sh -c "$versions" /usr/bin)"
is 'the label of the licence' Apache-2.0 "$(label licenses)"
is 'the user it runs as' '"10001:10001"' "$(config User)"
is 'what it runs' '["tocsin","serve"]' "$(config Cmd)"
is 'where its state is' '{"/var/lib/tocsin":{}}' "$(config Volumes)"
is 'how its health is asked' '["CMD","tocsin","healthcheck"]' "$(podman image inspect --format '{{json .HealthCheck.Test}}' "$image")"
is 'how often, in ns' 10000000000 "$(podman image inspect --format '{{json .HealthCheck.Interval}}' "$image")"
is 'variables that are secret' '' "$(podman image inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$image" | grep -E 'KEY|SECRET|PASSWORD|SMTP' || true)"

# The check that stands in the image, run as docker runs it every ten seconds: well while the server answers, ill when it does not. As in
# docker-compose.yml, where no secret is named: an empty setting, and an empty file in the secret's place.
container=tocsin-health-$$
quietly() { "$@" >/dev/null 2>"$BUILD/image-health.log" || { cat "$BUILD/image-health.log" && exit 1; }; } # without systemd podman says much
trap 'podman rm --force --time 0 "$container" >/dev/null 2>&1 || true' EXIT
listen=127.0.0.1:$((20000 + RANDOM % 10000))
quietly podman run -d --name "$container" --network host --health-interval disable --read-only --cap-drop all --ulimit nofile=4096:4096 \
	--ulimit nproc=1024:1024 --env "TOCSIN_LISTEN=$listen" --env "TOCSIN_URL=http://$listen" --env TOCSIN_SMTP_URL_FILE= \
	--volume /dev/null:/run/secrets/smtp_url:ro "$image"
healthy() { podman healthcheck run "$container" >/dev/null 2>&1; }
for _ in {1..100}; do healthy && break || sleep 0.1; done
health=$(healthy && echo healthy || echo "ill: $(podman logs "$container" 2>&1 | tail -n 3)")
is 'its health while it serves' healthy "$health"
quietly podman kill --signal STOP "$container"
is 'its health while it hangs' ill "$(healthy && echo healthy || echo ill)"
quietly podman kill --signal CONT "$container"
quietly podman stop --time 20 "$container"
is 'how it ends' 0 "$(podman inspect --format '{{.State.ExitCode}}' "$container")"

echo "$((1 - failed)) passed, $failed failed, 0 skipped"
((failed == 0))
quietly podman rm --force "$container"
PODMAN='podman --runtime runc' TOCSIN_IMAGE=$image exec "${PYTHON:-python3}" tests/scenario/run.py --mode container "$@"
