# Two commands are all that a newcomer needs: `make run` and `make test`.
.PHONY: run run-fakes demo-chat test check deny playground schema publish-schema bench build image

run: ## start a development server, with everything it needs
	@scripts/setup
	cargo run --locked

run-fakes: ## as `run`, with fake providers on loopback: texts are printed, and nothing leaves the machine
	@scripts/setup
	cargo build --locked --bin frontdesk --example fake_providers
	target/debug/examples/fake_providers target/debug/frontdesk serve

demo-chat: ## chat in this terminal with a demo tenant of the running server; ARGS="--tenant cornerbikes" for the other
	@cargo run --locked --quiet -- chat $(ARGS)

test: ## format, lints, every test, and schema.graphql in step with the code; then the core again through PgBouncer
	@scripts/setup test
	cargo fmt --check
	cargo clippy --locked --all-targets -- --deny warnings
	cargo test --locked
	FRONTDESK_TEST_POOLER=pgbouncer cargo test --locked --test it -- audit conversations identity knowledge leads lists prompts sessions settings tenants turns usage users versions visitors worker

check: ## what is worth doing before each commit
	cargo fmt --check
	cargo clippy --locked --all-targets -- --deny warnings

deny: ## licences, sources and known vulnerabilities of what the program is built from; needs cargo-deny
	cargo deny check

playground: ## the playground's page, built into the program next time
	@scripts/playground

schema: ## write schema.graphql and src/db/schema.rs anew
	UPDATE_SCHEMA=1 cargo test --locked --test it -- walls::schema walls::catalogue::the_rust_schema

publish-schema: ## at each release: what frontends are written for from now on; breaks are declared against it
	node tests/clients/publish.mjs

bench: ## how fast it is, as ratios to limits of the same machine in the same run
	@scripts/setup bench
	cargo bench --locked

build: ## the release program, in target/release/frontdesk; with the playground, where `make playground` came before
	cargo build --locked --release

image: ## the container image
	docker build --tag frontdesk .
