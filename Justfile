# Short names for commands that can be typed as they stand.
run *args:
    cargo run -- {{args}}
test *args:
    cargo test {{args}}
check:
    cargo fmt --all --check && cargo clippy --workspace --all-targets -- -D warnings
# Each door by itself: built together, a sibling's features would end up in a receiver.
release:
    for door in functions/*; do cargo build --release -p "${door#functions/}" || exit 1; done
ci:
    .ci/run
