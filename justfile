# Common tasks; `just` lists them. `cargo install just`, or read the commands here.

default:
    @just --list

# Everything that has to hold before a change lands
test:
    tests/run

# Format and lints, with errors as the tests have them
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Fuzz one target, or all of them one after the other, each for some seconds
fuzz seconds="60" target="":
    fuzz/run {{seconds}} {{target}}

# Count the instructions of every reader of foreign bytes (needs valgrind)
cost:
    cargo test -p readers --test cost -- --nocapture

# The measurements of docs/performance.md
bench *arguments:
    cargo run --release -p bench -- {{arguments}}

# A service with two users, ready to be called
demo *arguments:
    cargo run --bin am-server -- demo {{arguments}}
