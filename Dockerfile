# Three stages: the playground is built with Node.js, the program with all of Rust, and it is shipped without either.
FROM node:22-bookworm-slim AS playground
WORKDIR /src
COPY playground/package.json playground/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY playground ./
RUN npm run build

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
# The dependencies first: they change seldom, and their layer is kept.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src tests/it \
    && echo 'fn main() {}' | tee src/main.rs tests/it/main.rs \
    && touch src/lib.rs \
    && cargo build --locked --release \
    && rm -r src tests
COPY migrations migrations
COPY build.rs build.rs
COPY --from=playground /src/dist playground/dist
COPY src src
RUN mkdir -p tests/it && touch tests/it/main.rs src/main.rs src/lib.rs \
    && cargo build --locked --release

FROM debian:bookworm-slim
# Certificates for the model's and mail providers' TLS, curl for the health check.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 frontdesk \
    && useradd --system --uid 10001 --gid 10001 --no-create-home frontdesk
COPY --from=build /src/target/release/frontdesk /usr/local/bin/frontdesk
# By number: of a name, Kubernetes can't tell that it is not root's (`runAsNonRoot`).
USER 10001:10001
ENV ENVIRONMENT=production HOST=0.0.0.0 PORT=8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD curl --fail --silent http://127.0.0.1:${PORT}/healthz
ENTRYPOINT ["frontdesk"]
CMD ["serve"]
