# The commands that everybody uses; each installs what it needs. CMakePresets.json has the builds.
#   make quickstart     train the example on this machine and print a sample
#   make test           build and run every test; those within one process under ASan+UBSan; fuzz targets;
#                       WITHOUT=cluster leaves out those on a real Kubernetes (any label of CONTRIBUTING.md)
#   make test-cluster   only the tests on a real Kubernetes, which is built first (10 minutes, once); needs root
#   make sanitize       tests within one process under ASan+UBSan and under TSan; fuzz targets
#   make check          format, lint, layering and house style
#   make bench          print the benchmarks
#   make cuda           the programs with the CUDA half in build/cuda: a toolkit comes as wheels (a large download), and
#                       needs no GPU
#   make bundle         those programs with the libraries that they need as build/ballast-cuda.tar.xz, for a GPU machine
#   make bench-peers    print the engine's speed beside PyTorch's (a large download)
#   make bench-cluster  the operator at scale on a real API server, with nodes that only pretend
#   make bench-policies what policies bring to pods that are held back, and to a run; needs root
#   make soak           an operator for ten minutes with an API server that fails: nothing may grow
#   make sim SEEDS=N    run the simulators with N seeds
#   make mutations      break the cores on purpose, in many ways, and show that the tests see each
#   make chaos SEED=N   kill and pause processes of a real run by a seeded schedule, and compare the parameters;
#                       RUNS=10 plays as many seeds from N on
#   make chaos-network  the same with processes cut off in network namespaces, and slow disks; needs root
#   make chaos-cluster  the same with pods and nodes of a test cluster, operators, the API server; see test-cluster
#   make goodput        kill a process every 60 s, then every 20 s, for ten minutes each, and print what is left
#   make demo           watch a run lose a server and a worker, and compare the parameters
#   make demo-cluster   a Kubernetes on this machine, the chart installed, a job trained; needs root
#   make images         container images from the Dockerfile, into build/images, without Docker; needs root
#   make test-images    the chart's tests on those images
#   make demo-metrics   watch a run with Prometheus and Alertmanager: dashboards' queries, alerts that fire and resolve
#   make same-bits      train in every way there is, and show one SHA-256
#   make dashboards     render Grafana's dashboards from their source
#   make dashboards-png draw them in a browser from a Prometheus beside a run (a large download); needs root
#   make test-report    look at the page of `ballast report` in a real browser
#   make format         rewrite our files in the house format
#   make clean          remove build/ (the compiler cache stays)
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
JOBS ?= $(shell nproc)
# Many tests wait for a while: for a silence to be noticed, a process to begin.
TESTS_AT_ONCE ?= $(shell expr $(JOBS) + 1)
SEEDS ?= 10000
SEED ?= 1
KILLS ?= 12
RUNS ?= 1
SOAK_SECONDS ?= 600
LINES ?=
WITHOUT ?= sanitized

# The compiler cache is shared by all checkouts: paths are made relative before they are hashed.
BALLAST_CACHE ?= $(HOME)/.cache/ballast
export CCACHE_DIR := $(BALLAST_CACHE)/ccache
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := true
export CCACHE_DEPEND := true
export CTEST_OUTPUT_ON_FAILURE := 1

configure = cmake --preset $(1) --log-level=WARNING
build = $(call configure,$(1)) && ninja -C build/$(1) -j $(JOBS) $(2)

.PHONY: help quickstart test test-cluster sanitize check bench bench-peers bench-cluster soak sim mutations
.PHONY: chaos chaos-network chaos-cluster goodput demo demo-cluster images test-images same-bits format clean
.PHONY: cuda bundle demo-metrics dashboards dashboards-png test-report
.PHONY: bench-policies dependencies dependencies-test dependencies-cluster dependencies-images dependencies-check
help:
	@sed -n 's/^#   make/make/p' Makefile

dependencies:
	@scripts/install_dependencies.sh
dependencies-test:
	@scripts/install_dependencies.sh test cluster
dependencies-cluster:
	@scripts/install_dependencies.sh cluster
dependencies-images:
	@scripts/install_dependencies.sh images cluster
dependencies-check:
	@scripts/install_dependencies.sh check

quickstart: dependencies
	$(call build,release,programs)
	build/release/bin/ballast run crds/examples/quickstart.yaml

# One ctest over several builds, so that its summary at the end is the whole answer.
ctest_over = mkdir -p build/$(1) && printf 'subdirs("$(CURDIR)/build/%s")\n' $(2) > build/$(1)/CTestTestfile.cmake \
	&& ctest --test-dir build/$(1) --parallel $(TESTS_AT_ONCE) $(3)

test: dependencies-test
	$(call build,release,all selected_tests)
	$(call build,dev,selected_tests)
	$(call ctest_over,test,release dev,--label-exclude '^(sanitized|$(WITHOUT))$$')

test-cluster: dependencies-cluster
	$(call build,release,programs test_kube_api)
	ctest --test-dir build/release --label-regex '^cluster$$' --parallel $(JOBS)

demo-cluster: dependencies-cluster
	$(call build,release,programs)
	python3 -B tests/cluster/images.py build/ballast-image.tar localhost/ballast:test \
	  build/release/bin/ballast-operator build/release/bin/ballast-ps build/release/bin/ballast-worker
	python3 -B tests/cluster/cluster.py run --nodes 2 --with helm --image build/ballast-image.tar -- \
	  tests/cluster/demo.sh

images: dependencies-images
	$(call build,release,programs)
	scripts/build_images.sh build/images

test-images: images
	python3 -B tests/cluster/cluster.py run --nodes 2 --audit --with helm --with kubeconform \
	  --image build/images/ballast-operator.tar --image build/images/ballast-job.tar -- \
	  env BALLAST_TEST_IMAGE=localhost/ballast-operator:local BALLAST_TEST_JOB_IMAGE=localhost/ballast-job:local \
	  python3 -B tests/cluster/chart_test.py

sanitize: dependencies-test
	$(call build,dev,selected_tests)
	$(call build,tsan,selected_tests)
	$(call ctest_over,sanitize,dev tsan)

check: dependencies-check
	@scripts/check.sh

bench: dependencies-test
	$(call build,release,programs benchmarks test_sim)
	@for benchmark in build/release/bin/bench_*; do echo "== $$benchmark"; $$benchmark; done
	@for benchmark in tests/bench_run/bench_*.py; do echo "== $$benchmark"; python3 -B $$benchmark; done
	@echo "== simulator"; build/release/bin/test_sim --large --seeds=5000

cuda: dependencies-test
	JOBS=$(JOBS) scripts/build_cuda.sh programs test_engine_cuda bench_gpu

bundle: cuda
	scripts/bundle.sh build/cuda build/ballast-cuda

bench-cluster: dependencies-cluster
	$(call build,release,programs fake_pods plain_create)
	python3 -B tests/cluster/cluster.py run --fake-nodes 14 --audit -- \
	  python3 -B tests/bench_cluster/bench_operator.py $(LINES)

bench-policies: dependencies-cluster
	$(call build,release,programs)
	python3 -B tests/cluster/images.py build/ballast-image.tar localhost/ballast:test \
	  build/release/bin/ballast-operator build/release/bin/ballast-ps build/release/bin/ballast-worker
	python3 -B tests/cluster/cluster.py run --nodes 1 --image build/ballast-image.tar -- \
	  python3 -B tests/bench_cluster/bench_policies.py
	python3 -B tests/bench_run/bench_policies.py

soak: dependencies-cluster
	$(call build,release,programs fake_pods)
	python3 -B tests/cluster/cluster.py run --fake-nodes 2 -- python3 -B tests/cluster/fault_proxy.py \
	  python3 -B tests/bench_cluster/soak.py $(SOAK_SECONDS) $(SEED)

bench-peers: dependencies-test
	$(call build,release,programs train_steps)
	python3 -B tests/bench_engine/bench_peers.py

sim: dependencies
	$(call build,release,test_sim test_watch_sim test_lease_sim)
	build/release/bin/test_sim --seeds=$(SEEDS) --jobs=$(JOBS)
	build/release/bin/test_sim --weather=moves --seeds=$(SEEDS) --jobs=$(JOBS)
	build/release/bin/test_sim --decide --seeds=$(SEEDS) --jobs=$(JOBS)
	build/release/bin/test_sim --decide --weather=moves --seeds=$(SEEDS) --jobs=$(JOBS)
	BALLAST_SEEDS=$(SEEDS) build/release/bin/test_watch_sim
	BALLAST_SEEDS=$(SEEDS) build/release/bin/test_lease_sim

mutations: dependencies-test
	$(call build,release,test_sim test_decide test_decide_properties)
	python3 -B tests/mutations/mutations.py --jobs $(JOBS)

chaos: dependencies-test
	$(call build,release,programs)
	python3 -B tests/chaos/chaos.py --seed $(SEED) --runs $(RUNS) --kills $(KILLS)

chaos-network: dependencies-test
	$(call build,release,programs)
	python3 -B tests/chaos/chaos.py --seed $(SEED) --runs $(RUNS) --kills $(KILLS) \
	  --cuts 0.5 --slow-disk 100 --kill-run

chaos-cluster: dependencies-cluster
	$(call build,release,programs)
	python3 -B tests/cluster/images.py build/ballast-image.tar localhost/ballast:test \
	  build/release/bin/ballast-ps build/release/bin/ballast-worker
	python3 -B tests/cluster/cluster.py run --nodes 3 --image build/ballast-image.tar -- \
	  python3 -B tests/chaos/cluster_chaos.py --seed $(SEED) --kills $(KILLS)

goodput: dependencies-test
	$(call build,release,programs)
	python3 -B tests/chaos/goodput.py --every 60
	python3 -B tests/chaos/goodput.py --every 20

demo: dependencies-test
	$(call build,release,programs)
	python3 -B tests/chaos/chaos.py --show --kills 2 --every 4 --pauses 0

same-bits: dependencies-test
	$(call build,release,programs)
	python3 -B tests/e2e/same_bits_test.py

demo-metrics: dependencies-test
	@command -v prometheus-alertmanager >/dev/null || \
		{ echo "demo-metrics needs Debian's prometheus-alertmanager: apt-get install prometheus-alertmanager"; exit 2; }
	$(call build,release,programs)
	python3 -B tests/demo_metrics/demo.py

dashboards:
	python3 -m venv $(BALLAST_CACHE)/dashboards-venv
	$(BALLAST_CACHE)/dashboards-venv/bin/pip install -q --no-compile -r helm/dashboards/requirements.txt
	cd helm/dashboards && $(BALLAST_CACHE)/dashboards-venv/bin/python -B render.py ../ballast/dashboards

dashboards-png: dependencies-test dependencies-cluster
	@command -v chromium-headless-shell >/dev/null || \
		{ echo "dashboards-png needs Debian's chromium-headless-shell: apt-get install chromium-headless-shell"; exit 2; }
	@command -v prometheus-alertmanager >/dev/null || \
		{ echo "dashboards-png needs Debian's prometheus-alertmanager: apt-get install prometheus-alertmanager"; exit 2; }
	@command -v npm >/dev/null || { echo "dashboards-png needs Debian's npm: apt-get install npm"; exit 2; }
	$(call build,release,programs fake_pods)
	python3 -B tests/cluster/cluster.py run --fake-nodes 2 -- \
	  python3 -B tests/demo_metrics/operator_load.py $(CURDIR)/build/pictures/operator.json
	BALLAST_CACHE=$(BALLAST_CACHE) python3 -B tests/demo_metrics/pictures.py docs/pictures \
	  --operator build/pictures/operator.json

test-report: dependencies-test
	@command -v chromium-headless-shell >/dev/null || \
		{ echo "test-report needs Debian's chromium-headless-shell: apt-get install chromium-headless-shell"; exit 2; }
	$(call build,release,programs)
	python3 -B tests/report/browser_test.py

format: dependencies-check
	git ls-files -co --exclude-standard '*.h' '*.cc' '*.cu' '*.cuh' | xargs clang-format-14 -i

clean:
	rm -rf build
