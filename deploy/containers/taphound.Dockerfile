# The sensor. Not root: it reads capture files. For a wire it needs the one right to open packet sockets, and the host's network:
#   docker run --network host --user 0 --cap-drop ALL --cap-add NET_RAW --read-only --tmpfs /run/taphound -v taphound:/var/lib/taphound \
#     -e TAPHOUND__CAPTURE__INTERFACES='["eth1"]' ghcr.io/taphound/taphound:0.1.0
# The program is the one of the packages, built on Debian 12 by the pipeline: `cargo build --release --locked --workspace --bins`.
FROM docker.io/library/debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates libpcap0.8 && rm -rf /var/lib/apt/lists/* \
    && install -d -o 65532 -g 65532 /var/lib/taphound /run/taphound
COPY --chmod=755 target/release/taphound /usr/bin/taphound
COPY config/taphound.toml /etc/taphound/taphound.toml
COPY LICENSE* /usr/share/doc/taphound/
USER 65532:65532
WORKDIR /var/lib/taphound
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s CMD taphound status >/dev/null || [ $? = 1 ]
ENTRYPOINT ["taphound"]
CMD ["run"]
