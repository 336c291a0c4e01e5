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
label() { podman image inspect --format "{{index .Config.Labels \"org.opencontainers.image.$1\"}}" "$image"; }

bytes=$(podman image inspect --format '{{.Size}}' "$image")
say "$((bytes / 1000000)) MB"
is 'larger than 120 MB' no "$( ((bytes <= 120000000)) && echo no || echo yes)"
is 'the label of the version' "$version" "$(label version)"
is 'the label of the revision' "$(tools/images.sh revision)" "$(label revision)"
is 'the version of the program in it' "tocsin $version" "$(podman run --rm --network host --no-healthcheck --ulimit nofile=1024:1024 \
	--ulimit nproc=1024:1024 "$image" tocsin version)"
is 'the label of the licence' Apache-2.0 "$(label licenses)"
echo "$((1 - failed)) passed, $failed failed, 0 skipped"
((failed == 0))
PODMAN='podman --runtime runc' TOCSIN_IMAGE=$image exec "${PYTHON:-python3}" tests/scenario/run.py --mode container "$@"
