# All programs of Tocsin in one image: the command is `tocsin serve`, or one of tocsin-gateway … tocsin-audit.
# Runs as user 10001 with a read-only root file system; writes only to /var/lib/tocsin.

# If no registry is reachable, set BASE to any local Debian 12 image.
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends make \
	&& rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY Makefile ./
COPY tools/deps.sh tools/
RUN make deps
COPY . .
RUN make install DESTDIR=/out PREFIX=/usr && strip /out/usr/bin/*
# Finds the packages of the shared libraries that the programs use.
RUN ldd /out/usr/bin/* | awk '/=> \//{print $3}' | sort -u | xargs -n 1 basename | sed 's|^|*/|' \
	| xargs dpkg-query -S | cut -d : -f 1 | sort -u | grep -v -- '-dev$' > /out/packages

FROM ${BASE}
# tools/images.sh adds the labels `version` and `revision`.
LABEL org.opencontainers.image.title="Tocsin" \
      org.opencontainers.image.description="Information-security incident management with a record anyone can verify" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN --mount=type=bind,from=build,source=/out/packages,target=/packages \
	apt-get update -qq \
	&& DEBIAN_FRONTEND=noninteractive xargs -a /packages apt-get install -y -qq --no-install-recommends ca-certificates \
	&& apt-get clean && rm -rf /var/lib/apt/lists/* /var/cache/debconf/* /usr/share/doc/* /usr/share/man/* /var/log/* \
	&& install -d -o 10001 -g 10001 -m 0700 /var/lib/tocsin
COPY --from=build /out/usr /usr
ENV TOCSIN_HOME=/var/lib/tocsin TOCSIN_LISTEN=0.0.0.0:8080
USER 10001:10001
WORKDIR /var/lib/tocsin
VOLUME /var/lib/tocsin
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["tocsin", "healthcheck"]
CMD ["tocsin", "serve"]
