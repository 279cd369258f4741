# Thin names for plain cargo commands.

default:
    @just --list

fmt:
    cargo fmt --all

lint:
    cargo clippy --workspace --all-targets -- -D warnings

test:
    cargo test

# Tests of one name, or of a part of it.
test-one name:
    cargo test {{name}}

# Derives beside real execution layers: LIGHT_NODE_TEST_EL_OP_GETH and LIGHT_NODE_TEST_EL_OP_RETH name the programs.
test-el:
    cargo test -p light-node --test blackbox real_el

# Rewrites the generated pages and tables under docs/.
docs:
    UPDATE_DOCS=1 cargo test generated_docs

# The node as operators run it: optimised, without the devnet.
build:
    cargo build --release --locked -p light-node --no-default-features

image:
    docker build -t light-node --build-arg GIT_SHA="$(git rev-parse --short=12 HEAD)" .

# Runs the benchmarks; docs/performance.md says what each measures, and how to run one alone.
bench *args:
    cargo bench -p light-node --bench '*' {{args}}
    cargo bench -p light-node-network --bench gossip --features test-utils {{args}}

devnet *args:
    cargo run --release -- devnet {{args}}

ci:
    .ci/run
