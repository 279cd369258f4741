# Thin names for plain cargo commands.

default:
    @just --list

fmt:
    cargo fmt --all

lint:
    cargo clippy --workspace --all-targets -- -D warnings

test:
    cargo test

# Rewrites the generated pages under docs/.
docs:
    UPDATE_DOCS=1 cargo test --test blackbox generated_docs

devnet *args:
    cargo run --release -- devnet {{args}}

ci:
    .ci/run
