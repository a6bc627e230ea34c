# syntax=docker/dockerfile:1

# The worker in an image without a shell: build it with
#   docker build --build-arg COMMIT="$(git rev-parse --short HEAD)" -t chatbot-worker .

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
# It builds the memory allocator.
RUN apt-get update && apt-get install --yes --no-install-recommends make && rm -rf /var/lib/apt/lists/*

# The dependencies, in a layer of their own that only a change of the manifests makes stale: built with an empty
# program in the place of ours.
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src benches/throughput \
    && touch src/lib.rs benches/message.rs benches/throughput/main.rs \
    && echo 'fn main() {}' > src/main.rs \
    && cargo build --release --locked

# Git isn't there, so the commit comes from outside; after the dependencies, which don't depend on it.
ARG COMMIT=unknown
COPY . .
# The copied files are as old as in the folder they came from, and cargo rebuilds only what is newer than what it built.
RUN touch src/lib.rs src/main.rs \
    && CHATBOT_COMMIT="$COMMIT" cargo build --release --locked

# C library, CA certificates, and a user that isn't root; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/chatbot-worker /usr/local/bin/chatbot-worker
# Inside a container the loopback address would be reached by nobody.
ENV CHATBOT_HTTP_LISTEN=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["chatbot-worker", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["chatbot-worker"]
CMD ["run"]
