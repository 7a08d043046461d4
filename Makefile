# Every task of this repository. `make` lists them.

.DEFAULT_GOAL := help
SHELL := /bin/bash
TAPHOUND := target/release/taphound
RETRAIN := target/release/taphound-retrain

.PHONY: $(shell sed -nE "s/^([a-z-]+):.*/\1/p" Makefile)

help: ## list the tasks
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup:
	@scripts/setup build

build: setup ## build the programs into target/release
	cargo build --release --locked --workspace --bins

demo: setup ## build, replay an attack capture and a benign one, show what was found
	@scripts/demo

test: setup lint unit ## format, lints, every test, and a summary line a suite

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
	@echo "lint: fmt and clippy clean"

unit:
	@scripts/test

bench: setup ## packets/s, flows/s, ns/score and peak memory beside a bare libpcap loop
	cargo build --release --locked --workspace --bins
	target/release/bench

oracles: build ## flows held against tshark and nfstream, packets and bytes by Community ID
	@scripts/oracles

proof-store: setup ## the store killed 1,000 times, cut off from power 1,000 times, and its rows a second
	STORE_PROOF=full cargo test --release --locked -p tests --test whole -- store:: --nocapture --test-threads 1
	cargo test --release --locked -p store --test store -- speed:: --ignored --nocapture

proof-capture: setup ## rate without loss and ten minutes of flood on a wire (needs root; 12 minutes)
	cargo build --release --locked -p sensor --bins
	cargo test --release --locked -p tests --test whole -- --ignored --nocapture --test-threads=1 live_

proof-sensor: proof-store proof-capture ## all of docs/reliability.md: store, capture, and the sensor killed 300 times (needs root; an hour)
	SENSOR_PROOF=full cargo test --release --locked -p tests --test whole -- --include-ignored --nocapture --test-threads=1 run::

parity: ## our forest beside river's and MOA's, ten seeds a stream (half an hour; needs Java 17)
	bench/parity/run

FUZZ_SECONDS ?= 60
fuzz: ## fuzz every target for FUZZ_SECONDS each (60)
	command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	for target in packet table artifact artifact_body pointer; do \
		RUSTC_BOOTSTRAP=1 cargo fuzz run -s none $$target -- -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048 || exit 1; done

model: setup ## train the default model from data/ and compare it with the embedded one
	@scripts/model

lab: ## make labelled traffic in network namespaces (needs root)
	lab/lab setup
	lab/lab run train --seed $${SEED:-1} --out lab/runs/train-$${SEED:-1}

dataset: build ## turn the runs in lab/runs into a data set (target/base.csv.zst)
	scripts/dataset target/base.csv.zst lab/runs/*

clean: ## remove everything built
	cargo clean
