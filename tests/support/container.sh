# shellcheck shell=bash
# The tests that run containers (tests/image, tests/fresh) source this file at the root of the source tree. They run podman with
# runc as root. The base image is Debian 12 from a registry, or is made with debootstrap if no registry answers.
: "${BUILD:=build}"
part=$(basename "$(dirname "$0")")
base=localhost/tocsin-base

say() { echo "$part: $*"; }

skip() { # REASON
	say "skipped, $1"
	echo '0 passed, 0 failed, 1 skipped'
	exit 0
}

podman() { command podman --runtime runc "$@"; }

base_make() {
	local directory debian=docker.io/library/debian:bookworm-slim
	podman image exists "$base" && return
	timeout 20 podman pull -q "$debian" >/dev/null 2>&1 && podman tag "$debian" "$base" && return
	say 'no registry answers; making a base with debootstrap'
	directory=$(mktemp -d)
	if debootstrap --variant=minbase bookworm "$directory" >"$BUILD/image-base.log" 2>&1; then
		rm -rf "$directory"/var/cache/apt/archives/*.deb "$directory"/var/lib/apt/lists/* "$directory"/usr/share/{doc,locale,man}/*
		tar -C "$directory" -c . | podman import -q - "$base" >/dev/null
	fi
	rm -rf "$directory"
	podman image exists "$base" || skip "debootstrap could not make a base: $(tail -n 1 "$BUILD/image-base.log")"
}

# Makes the base image if it is missing, and runs a container of it. Skips the test if that is not possible.
container_need() {
	local tool
	mkdir -p "$BUILD"
	[[ $(id -u) == 0 ]] || skip 'only root is known to run these containers'
	for tool in podman runc debootstrap; do
		command -v "$tool" >/dev/null || skip "$tool is not installed"
	done
	base_make
	podman run --rm --network host --no-healthcheck --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "$base" /bin/true \
		>/dev/null 2>"$BUILD/$part-run.log" || skip "podman cannot run a container here: $(tail -n 1 "$BUILD/$part-run.log")"
}
