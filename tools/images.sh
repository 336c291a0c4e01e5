#!/bin/bash
# Builds the container image with the first engine of ENGINES ("docker podman") that runs, and labels it with the version of its tag and
# with the commit:
#
#   tools/images.sh TAG [BUILD-OPTIONS…]
#   tools/images.sh revision               prints the commit, followed by -modified if files differ from it
set -euo pipefail
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
[[ -z $(git status --porcelain 2>/dev/null) ]] || revision+=-modified
tag=$1
if [[ $tag == revision ]]; then
	echo "$revision"
	exit
fi
shift
# The labels are set by options, not in the Dockerfile: for a LABEL that contains a build argument, some engines would take the
# value of the previous build from the cache.
label=org.opencontainers.image
set -- --label "$label.version=${tag##*:}" --label "$label.revision=$revision" --tag "$tag" "$@"
for engine in ${ENGINES:-docker podman}; do
	if command -v "$engine" >/dev/null && "$engine" info >/dev/null 2>&1; then
		# The OCI format, podman's default, has no HEALTHCHECK.
		[[ $engine == podman ]] && set -- --format docker "$@"
		exec "$engine" build "$@" .
	fi
done
echo "images: ${ENGINES:-docker or podman} is not installed or does not run: install it, or start its service" >&2
exit 3
