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

# What is held beside other people's programs, and the page in a browser. Who may not install them sees the tests skipped.
setup-test:
	@scripts/setup test || true
	@scripts/setup servers || true

build: setup ## build the programs into target/release
	cargo build --release --locked --workspace --bins

demo: setup ## build, replay an attack capture and a benign one, show what was found
	@scripts/demo

scale: setup ## what a fleet costs its centre: 20 sensors and agents against dynalite and moto, held against docs/scale.md (five minutes)
	@scripts/setup servers
	cargo build --release --locked --workspace --bins
	"$${XDG_CACHE_HOME:-$$HOME/.cache}/taphound/servers/venv/bin/python" deploy/scale/simulate.py --programs target/release --check

demo-fleet: build ## a fleet that learns: traffic changes, errors rise, the centre retrains and decides (no root, no server)
	@scripts/setup demo
	@scripts/demo-fleet

proof-retrain: setup ## the whole circle on real servers (DynamoDB, S3, MLflow, DVC), every way it can go wrong, and the fleet of the demo on them
	@scripts/setup demo
	@scripts/setup servers
	@scripts/setup dvc
	cargo build --release --locked --workspace --bins
	cargo test --release --locked --workspace --test main -- --ignored --nocapture --test-threads=1 \
		every_story_on_real_servers plain_dvc_pulls
	@scripts/proof-retrain

test: setup setup-test lint unit ## format, lints, every test, and a summary line a suite

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
	@echo "lint: fmt and clippy clean"

unit:
	@scripts/test

test-ui: ## the page driven in headless Chromium: live alerts, labels, models, a lost feed, axe, hostile names
	@scripts/setup ui
	cargo build --locked --workspace --bins
	@scripts/test-ui

test-doors: setup ## the doors on every real server they are tested on: moto, dynalite, s3s-fs, MLflow twice (5 minutes to set up)
	@scripts/setup servers
	@scripts/setup servers-s3
	DOORS_PROOF=full cargo nextest run --locked --workspace -E 'package(fleet)' --success-output final

test-fleet: setup ## sensors, agents and a centre of real servers: ten minutes of faults and kills, a week without the centre (root; half an hour)
	@scripts/setup servers
	@scripts/setup servers-s3
	@scripts/setup servers-syslog
	cargo build --locked --workspace --bins
	SENSOR_PROOF=full cargo nextest run --locked --workspace --profile proof -E 'package(tests) & test(/^fleet::/)' --test-threads 1 --success-output final --no-fail-fast

test-api: build ## requests made up from the OpenAPI document against a served replay (schemathesis)
	@scripts/test-api

bench: setup ## packets/s, flows/s, ns/score and peak memory beside a bare libpcap loop
	cargo build --release --locked --workspace --bins
	target/release/bench
	scripts/base-csv target/bench/base.csv
	target/release/bench forest target/bench/base.csv target/bench/forest

bench-forest: ## what judging, learning, explaining and loading cost a forest, in CPU time
	cargo build --release --locked --workspace --bins
	scripts/base-csv target/bench/base.csv
	target/release/bench forest target/bench/base.csv target/bench/forest

bench-api: build ## POST /predict beside GET /healthz under open-loop load: latency and CPU time (a minute)
	@scripts/bench-api

bench-peers-forest: ## the forest beside river's, MOA's and irithyll-core's in one run (ten minutes; needs Python 3)
	bench/forest/run

bench-peers: bench-peers-flows bench-peers-forest ## everything of the bench beside other people's programs, as ratios

bench-peers-flows: ## the same captures through softflowd, nfpcapd, argus, suricata, nfstream and tshark (ten minutes; installs them)
	scripts/setup peers
	cargo build --release --locked --workspace --bins
	target/release/bench peers

oracles: build ## flows held against tshark and nfstream, packets and bytes by Community ID
	@scripts/oracles

proof-store: setup ## the store killed 1,000 times, cut off from power 1,000 times, and its rows a second
	STORE_PROOF=full cargo test --release --locked --workspace --test whole -- store:: --nocapture --test-threads 1
	cargo test --release --locked --workspace --test store -- speed:: --ignored --nocapture

proof-capture: setup ## rate without loss and ten minutes of flood on a wire (needs root; 12 minutes)
	cargo build --release --locked --workspace --bins
	cargo test --release --locked --workspace --test whole -- --ignored --nocapture --test-threads=1 live_

test-inline: setup ## a sensor in the line: attacks cut, forged, killed, flushed, flapping, full disk, queued, beside a bare bridge (root; eight minutes)
	@scripts/setup inline
	cargo build --locked --workspace --bins
	cargo test --locked --workspace --test whole -- inline:: --include-ignored --nocapture --test-threads=1

proof-sensor: proof-store proof-capture ## all of docs/reliability.md: store, capture, and the sensor killed 1,000 times (needs root; an hour and a half)
	SENSOR_PROOF=full cargo test --release --locked --workspace --test whole -- --include-ignored --nocapture --test-threads=1 run::

parity: ## our forest beside river's and MOA's, ten seeds a stream (half an hour; needs Java 17)
	bench/parity/run

deb: setup ## target/debian/*.deb: sensor, sync agent and retraining as Debian packages
	@scripts/setup deb
	@scripts/deb

test-deb: deb ## the package in a Debian booted by a real systemd: installed, confined, upgraded, removed (root; 5 minutes)
	@scripts/setup test-deb
	@scripts/test-deb

test-deploy: ## everything in deploy/ and .github/ checked: rules, dashboards against a replay, workflows, Terraform
	@scripts/setup deploy
	cargo build --locked --workspace --bins
	@scripts/test-deploy

fleet: build ## a whole fleet on this machine: two sensors, agents, MLflow, AWS stand-ins, Prometheus, Grafana (needs Docker)
	docker compose -p taphound -f deploy/compose/compose.yaml up --build -d

FUZZ_SECONDS ?= 60
fuzz: ## fuzz every target for FUZZ_SECONDS each (60)
	command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	for target in packet capture table artifact artifact_body pointer; do \
		RUSTC_BOOTSTRAP=1 cargo fuzz run -s none $$target -- -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048 || exit 1; done

evaluate: ## judge model and sensor on held-out runs, tools and other people's captures: docs/model-card.md
	@scripts/setup evaluate
	@scripts/evaluate

MINUTES ?= 30
tune: build ## search the forest's parameters and threshold on what may be looked at, for MINUTES (30)
	@scripts/tune --minutes $(MINUTES)

model: setup ## train the default model from data/ and compare it with the embedded one
	@scripts/model

RECIPE ?= world
SEED ?= 1
lab: ## make one run of labelled traffic in network namespaces: RECIPE=world SEED=1 (needs root)
	lab/lab setup
	lab/lab run $(RECIPE) --seed $(SEED) --out lab/runs/$(RECIPE)-$(SEED)

lab-all: ## make every run of data/runs.csv that lab/runs lacks (hours; needs root)
	lab/lab setup
	lab/lab repeat data/runs.csv --out lab/runs

dataset: build ## turn the runs in lab/runs into a data set (target/base.parquet, and CSV beside it)
	scripts/dataset target/base.csv.zst lab/runs/* --runs data/runs.csv
	target/release/taphound-retrain dataset build target/base.csv.zst --out target/base.parquet

clean: ## remove everything built
	cargo clean
