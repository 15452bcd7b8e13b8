# Short names for commands that you can type.
run *args:
    cargo run -- {{args}}
test *args:
    cargo test {{args}}
check:
    cargo fmt --all --check && cargo clippy --workspace --all-targets -- -D warnings
# One function at a time: built together, a sibling's features would end up in a receiver.
release:
    for function in functions/*; do cargo build --release -p "${function#functions/}" || exit 1; done
tools:
    .ci/tools
contracts:
    .ci/contracts record
pages:
    UPDATE=1 cargo test --test it is_current
ci:
    .ci/run
