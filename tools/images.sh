#!/bin/bash
# Builds the container image with docker or podman, whichever is there (ENGINES chooses), and labels it with the version in its
# tag and the commit it was built from:
#
#   tools/images.sh TAG [OPTIONS of the build…]
#   tools/images.sh revision                     that commit; with -modified where files are not as they were committed
set -euo pipefail
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
[[ -z $(git status --porcelain 2>/dev/null) ]] || revision+=-modified
tag=$1
if [[ $tag == revision ]]; then
	echo "$revision"
	exit
fi
shift
# As options: a LABEL that an argument fills is taken from the cache by some engines, with the value of the build before.
label=org.opencontainers.image
set -- --label "$label.version=${tag##*:}" --label "$label.revision=$revision" --tag "$tag" "$@"
for engine in ${ENGINES:-docker podman}; do
	if command -v "$engine" >/dev/null && "$engine" info >/dev/null 2>&1; then
		# podman's own format has no HEALTHCHECK.
		[[ $engine == podman ]] && set -- --format docker "$@"
		exec "$engine" build "$@" .
	fi
done
echo "tocsin: images are built by ${ENGINES:-docker or podman}: not installed, or not running" >&2
exit 3
