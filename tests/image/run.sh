#!/bin/bash
# Builds the image by podman and plays the scenarios to `tocsin serve` in a container of it. The base is Debian 12 from a registry,
# or, where none answers, made with debootstrap. Where no container can be run, this is skipped, with the reason.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${BUILD:=build}"
base=localhost/tocsin-base image=localhost/tocsin-test

skip() { # REASON
	echo "image: skipped, $1"
	echo '0 passed, 0 failed, 1 skipped'
	exit 0
}

base_make() {
	local directory
	podman image exists "$base" && return
	timeout 20 podman pull -q docker.io/library/debian:bookworm-slim >/dev/null 2>&1 && podman tag docker.io/library/debian:bookworm-slim "$base" && return
	directory=$(mktemp -d)
	trap 'rm -rf "$directory"' RETURN
	echo 'image: no registry answers; making a base with debootstrap'
	debootstrap --variant=minbase bookworm "$directory" >"$BUILD/image-base.log" 2>&1 || skip "debootstrap could not make a base: $(tail -n 1 "$BUILD/image-base.log")"
	rm -rf "$directory"/var/cache/apt/archives/*.deb "$directory"/var/lib/apt/lists/* "$directory"/usr/share/{doc,locale,man}/*
	tar -C "$directory" -c . | podman import -q - "$base" >/dev/null
}

[[ $(id -u) == 0 ]] || skip 'only root is known to run these containers'
for tool in podman runc debootstrap; do
	command -v "$tool" >/dev/null || skip "$tool is not installed"
done
podman() { command podman --runtime runc "$@"; }
base_make
podman run --rm --network host --no-healthcheck --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "$base" /bin/true >/dev/null 2>"$BUILD/image-run.log" ||
	skip "podman cannot run a container here: $(tail -n 1 "$BUILD/image-run.log")"

echo 'image: building'
podman build --format docker --isolation chroot --network host --build-arg "BASE=$base" --tag "$image" . >"$BUILD/image-build.log" 2>&1 || {
	tail -n 30 "$BUILD/image-build.log"
	exit 1
}
bytes=$(podman image inspect --format '{{.Size}}' "$image")
echo "image: $((bytes / 1000000)) MB"
((bytes <= 120000000)) || {
	echo 'image: larger than 120 MB'
	exit 1
}
PODMAN='podman --runtime runc' TOCSIN_IMAGE=$image exec "${PYTHON:-python3}" tests/scenario/run.py --mode container "$@"
