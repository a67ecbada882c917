# Everything a person or CI runs. `make` alone lists the targets.

CARGO ?= cargo
PYTHON ?= python3
DEMO ?= demo-out
DEBUG = target/debug/kpack
RELEASE = target/release/kpack
# Seconds for each fuzz target.
FUZZ_SECONDS ?= 60

.PHONY: help setup build demo test check conformance conformance-full bench bench-read bench-memory bench-plan bench-verify kill-test fuzz fuzz-seeds fixtures clean

help:
	@echo 'make setup             install the system packages that are missing (Debian, Ubuntu)'
	@echo 'make build             target/release/kpack'
	@echo 'make demo              pack fixtures/classes into three formats under $(DEMO)/ and show them'
	@echo 'make test              every test, and the light conformance readers'
	@echo 'make check             format, lint, docs, licences'
	@echo 'make conformance       read kpack output with webdataset, tfrecord, tarfile, GNU tar, wids, Energon; lists with mmaction2, pandas'
	@echo 'make conformance-full  the same with TensorFlow, DALI, mosaicml-streaming, OpenCV and torchcodec besides'
	@echo 'make bench             kpack beside other tools, on the same clips in the same run'
	@echo 'make bench-read        reading, converting and decoding beside DALI, webdataset, tf.data, cp, torchcodec .., on the same bytes'
	@echo 'make bench-memory      peak memory with many clips and with a two-hour video'
	@echo 'make bench-plan        time and memory of planning 650,000 rows against as many files'
	@echo 'make bench-verify      kpack verify beside reading and hashing the same bytes'
	@echo 'make kill-test         each kind of run killed 100 times, and 1,000 good and bad files in one run'
	@echo 'make fuzz              each fuzz target for FUZZ_SECONDS=$(FUZZ_SECONDS)'
	@echo 'make fuzz-seeds        make the seeds of the fuzz targets anew (they are committed)'
	@echo 'make fixtures          make the fixtures anew (they are committed)'
	@echo 'make clean             remove build results, virtual environments and the demo'

setup:
	@.ci/setup

build: setup
	$(CARGO) build --release --locked

demo: build
	@KPACK='$(RELEASE)' .ci/demo '$(DEMO)'

test: setup
	$(CARGO) test --workspace --locked
	@$(MAKE) --no-print-directory conformance

check: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy --workspace --lib --no-default-features --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked --quiet
	$(PYTHON) .ci/licences.py
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --offline check bans licenses sources; \
	else echo 'check: cargo-deny is not installed: bans and sources were NOT checked (cargo install cargo-deny)'; fi

conformance: setup
	$(CARGO) build --locked --quiet
	@KPACK="$${KPACK:-$(DEBUG)}" $(PYTHON) tests/conformance/run.py

conformance-full: setup
	$(CARGO) build --locked --quiet
	@KPACK="$${KPACK:-$(DEBUG)}" $(PYTHON) tests/conformance/run.py --full

bench: build
	@KPACK="$${KPACK:-$(RELEASE)}" $(PYTHON) benches/compare.py $(BENCH_ARGS)

bench-read: build
	@KPACK="$${KPACK:-$(RELEASE)}" $(PYTHON) benches/read.py $(BENCH_ARGS)

bench-memory: build
	@KPACK="$${KPACK:-$(RELEASE)}" $(PYTHON) benches/memory.py $(BENCH_ARGS)

bench-plan: build
	@KPACK="$${KPACK:-$(RELEASE)}" $(PYTHON) benches/plan.py $(BENCH_ARGS)

bench-verify: setup
	$(CARGO) bench --bench verify

kill-test: setup
	KPACK_KILLS=100 KPACK_CROWD=1000 $(CARGO) test --locked --test all -- --nocapture --test-threads 1 hostile::kill hostile::crowd

fuzz: setup
	@.ci/fuzz '$(FUZZ_SECONDS)' $(FUZZ_TARGETS)

fuzz-seeds: setup
	$(CARGO) build --locked --quiet
	@KPACK="$${KPACK:-$(DEBUG)}" $(PYTHON) fuzz/seeds.py

fixtures: setup
	fixtures/make.sh

clean:
	$(CARGO) clean
	rm -rf '$(DEMO)' .venv-*
