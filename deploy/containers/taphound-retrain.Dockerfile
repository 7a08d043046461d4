# Retraining: one subcommand a step. Settings are mounted at /etc/taphound/retrain.toml, the signing key wherever model.key says.
# The program is the one of the packages, built on Debian 12 by the pipeline: `cargo build --release --locked --workspace --bins`.
FROM docker.io/library/debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && install -d -o 65532 -g 65532 /var/lib/taphound-retrain /run/taphound
COPY --chmod=755 target/release/taphound-retrain /usr/bin/taphound-retrain
COPY config/retrain.toml /etc/taphound/retrain.toml
COPY LICENSE* /usr/share/doc/taphound-retrain/
USER 65532:65532
WORKDIR /var/lib/taphound-retrain
# It runs and ends: there is nothing whose health could be asked.
HEALTHCHECK NONE
ENTRYPOINT ["taphound-retrain"]
CMD ["--help"]
