# The agent: everything that dials out for a sensor, whose control socket it shares (/run/taphound).
# The program is the one of the packages, built on Debian 12 by the pipeline: `cargo build --release --locked --workspace --bins`.
FROM docker.io/library/debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && install -d -o 65532 -g 65532 /var/lib/taphound-sync /run/taphound
COPY --chmod=755 target/release/taphound-sync /usr/bin/taphound-sync
COPY config/sync.toml /etc/taphound/sync.toml
COPY LICENSE* /usr/share/doc/taphound-sync/
USER 65532:65532
WORKDIR /var/lib/taphound-sync
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD taphound-sync status >/dev/null || [ $? = 1 ]
ENTRYPOINT ["taphound-sync"]
CMD ["run"]
