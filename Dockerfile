# syntax=docker/dockerfile:1
# The node as a container: no shell, no root, nothing to write to. Needs BuildKit, the builder of every Docker since 23.
#
#   docker build -t light-node --build-arg GIT_SHA="$(git rev-parse --short=12 HEAD)" .
#   docker build -t light-node:devnet --build-arg FEATURES=asm-keccak,devnet .

ARG RUST_VERSION=1.95

FROM rust:${RUST_VERSION}-bookworm AS builder
WORKDIR /src
COPY . .
# Cargo features: `asm-keccak` is faster hashing, for which the builder has Perl; `devnet` brings the EVM and `light-node devnet`.
ARG FEATURES="asm-keccak"
# `light-node version` shows it.
ARG GIT_SHA=""
ENV LIGHT_NODE_GIT_SHA=${GIT_SHA}
ARG TARGETPLATFORM
# The caches keep downloads and compiled dependencies from one build to the next, also when Cargo.lock changes.
RUN --mount=type=cache,id=light-node-registry,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=light-node-target-${TARGETPLATFORM},target=/src/target,sharing=locked \
    cargo build --release --locked -p light-node --bin light-node --no-default-features --features "${FEATURES}" \
    && install -D target/release/light-node /out/light-node \
    && install -d -m 0700 /out/secrets /out/data

# glibc, libgcc and the root certificates; user 65532 is its `nonroot`.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=builder /out/light-node /usr/local/bin/light-node
# An empty volume mounted here takes the owner over, so that `light-node jwt generate`, `--safedb.path` and gossip can write into it.
COPY --from=builder --chown=65532:65532 /out/secrets /secrets
COPY --from=builder --chown=65532:65532 /out/data /data

# In a container loopback reaches nobody; what is published is said with `docker run -p`. Node key and known peers are kept in
# /data/p2p; without a volume there, in memory.
ENV LIGHT_NODE_RPC_ADDR=0.0.0.0 \
    LIGHT_NODE_METRICS_ADDR=0.0.0.0 \
    STATE_DIRECTORY=/data

USER 65532:65532
WORKDIR /
# RPC with /healthz, /readyz and /status; metrics; peers, where there is gossip.
EXPOSE 9545 7300
EXPOSE 9222/tcp 9222/udp
STOPSIGNAL SIGTERM
# Unhealthy means that the node does not follow, and the output says why. A restart cures nothing of that: see docs/run.md.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["light-node", "healthcheck"]
ENTRYPOINT ["light-node"]

ARG VERSION=""
ARG GIT_SHA=""
LABEL org.opencontainers.image.title="light-node" \
      org.opencontainers.image.description="A rollup node (consensus-layer client) for OP Stack chains" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${GIT_SHA}"
