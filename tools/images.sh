#!/bin/bash
# Builds the container image with docker or podman, whichever is there: images.sh TAG [OPTIONS of the build…]
set -euo pipefail
tag=$1
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
shift
set -- --build-arg "VERSION=${tag##*:}" --build-arg "REVISION=$revision" "$@"
# podman's own format has no HEALTHCHECK.
for engine in docker 'podman --format docker'; do
	read -r program format <<<"$engine"
	if command -v "$program" >/dev/null && "$program" info >/dev/null 2>&1; then
		exec "$program" build $format --tag "$tag" "$@" .
	fi
done
echo 'tocsin: images are built by docker or podman: neither is installed and running' >&2
exit 3
