# Everything a fresh machine needs: `make demo` shows the main job, `make test` passes the tests.
# Both install Debian's packages that they lack (as root, or through sudo).

SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
ARCH := $(shell uname -m)
SYSROOT := $(shell rustc --print sysroot)
# musl where the toolchain has it, else glibc linked statically.
MUSL := $(ARCH)-unknown-linux-musl
TRIPLE := $(if $(wildcard $(SYSROOT)/lib/rustlib/$(MUSL)/lib),$(MUSL),$(ARCH)-unknown-linux-gnu)
AGENT := target/$(TRIPLE)/agent/musterd
LAB_PACKAGES := systemd-container mmdebstrap nftables iproute2 openssh-client curl python3

NODES ?= 2
FENCE ?= redfish
SEEDS ?= 2000

.PHONY: help build agent next-agent prerequisites demo test lint unit e2e modules honest faults whatif mistakes breaks dry rolling upgrade sim sim-mutants fuzz roles bench bench-controller bench-scale bench-scheduler clean-lab

help: ## what can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

build: agent ## muster, the static agent and the watch of the tests, optimised
	cargo build --release --locked -p muster -p muster-tests

AGENT_BUILD = RUSTFLAGS="-C target-feature=+crt-static -C force-unwind-tables=no" \
	cargo rustc --profile agent --locked --target $(TRIPLE) -p musterd --bin musterd
AGENT_LINK := -C link-arg=-Wl,-z,pack-relative-relocs -C link-arg=-Wl,-T,$(CURDIR)/agent/agent.ld

agent: ## the static agent that muster pushes to hosts
	$(AGENT_BUILD) -- $(AGENT_LINK)

# Of the next protocol version. Built where the other is built, so that both share what they depend on; then that one again.
next-agent:
	$(AGENT_BUILD) --features next -- $(AGENT_LINK)
	install -D $(AGENT) target/next/$(TRIPLE)/musterd
	$(AGENT_BUILD) -- $(AGENT_LINK)

prerequisites: ## Debian's packages that the lab needs
	@missing=$$(for package in $(LAB_PACKAGES) gcc libc6-dev; do \
	  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || echo $$package; done); \
	if [ -n "$$missing" ]; then \
	  $(SUDO) apt-get update -q && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -q $$missing; fi

demo: prerequisites build ## a cluster of lab nodes that loses a node: NODES=2|3 FENCE=redfish|fence_redfish
	$(SUDO) env NODES=$(NODES) FENCE=$(FENCE) tests/e2e/demo.sh

test: lint unit e2e ## all tests: lints, units, cases, simulation, lab nodes

lint: ## format and clippy
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

unit: ## unit, snapshot, case and simulation tests: no network, no root
	cargo test --workspace --locked

e2e: prerequisites build ## the end-to-end tests on lab nodes (root)
	$(SUDO) tests/e2e/run.sh

# Not part of `make test`: most of its minutes are apt fetching what the modules are about.
modules: prerequisites build ## every module on a lab node: check, apply, check, apply; MODULES="copy user …" for some (root)
	$(SUDO) tests/e2e/modules.sh $(MODULES)

honest: prerequisites build ## what plans say beside what applies do, task by task: COUNT=200 SEED=1 CASES=DIR (root)
	$(SUDO) env COUNT="$(or $(COUNT),200)" SEED="$(or $(SEED),1)" CASES="$(CASES)" ONLY="$(ONLY)" tests/honest/run.sh

faults: prerequisites build ## every fault that a kernel can give, one after the other, on NODES=2..8 lab nodes (root)
	$(SUDO) env NODES=$(NODES) tests/e2e/faults.sh

breaks: prerequisites build ## the shipped playbook broken off at POINTS=20 random points in each of eight ways (root): SEED=…, KINDS="reboot worker …"
	$(SUDO) env POINTS=$(or $(POINTS),20) SEED=$(or $(SEED),1) tests/e2e/breaks.sh $(KINDS)

whatif: prerequisites build ## what `muster simulate` predicts beside what happens, fault by fault on lab nodes (root)
	$(SUDO) tests/e2e/whatif.sh

mistakes: prerequisites build ## 24 typical mistakes: what muster says of them, beside Ansible where it is installed (root)
	$(SUDO) env ANSIBLE=$(ANSIBLE) tests/e2e/mistakes.sh

dry: prerequisites build ## a dry run on bare nodes beside Ansible's and pyinfra's (PEERS=virtual environment with both), then the real run (root)
	$(SUDO) env PEERS=$(PEERS) SCREENS=$(SCREENS) tests/e2e/dry.sh

rolling: prerequisites build ## rolling changes on NODES=3 lab nodes, watched from outside (root)
	$(SUDO) env NODES=$(if $(filter 2,$(NODES)),3,$(NODES)) tests/e2e/rolling.sh

upgrade: prerequisites build next-agent ## a rolling upgrade of lab nodes to a build of the next protocol version, and back (root)
	$(SUDO) tests/e2e/upgrade.sh

sim: ## search for counterexamples: SEEDS=… or SECONDS=…
	cargo run --release --locked -p muster-tests --bin sim -- $(if $(SECONDS),--seconds $(SECONDS),--seeds 0..$(SEEDS))

sim-mutants: ## plant deliberate errors in the core: each must be found
	cargo run --release --locked -p muster-tests --features planted --target-dir target/planted --bin mutants

FUZZ_TARGETS := packet message durable frame corosync-conf recording script inventory playbook cib

fuzz: build ## spoilt input for every parser of outside bytes: SECONDS=… for each
	for target in $(FUZZ_TARGETS); do target/release/fuzz $$target --seconds $(or $(SECONDS),60) || exit 1; done

roles: prerequisites build ## published roles by muster and by ansible-playbook, and what differs on the nodes (root): ROLES=DIR, ONLY="role role"
	$(SUDO) env ROLES="$(ROLES)" ONLY="$(ONLY)" ANSIBLE="$(ANSIBLE)" tests/roles/compare.sh

bench: prerequisites build ## figures beside the peers' (installs them on lab nodes)
	$(SUDO) tests/bench/run.sh

bench-controller: prerequisites build ## muster beside ansible-playbook, mitogen and pyinfra on lab nodes (root): BENCH_NODES="2 8", PEERS=venv
	$(SUDO) env NODES="$(or $(BENCH_NODES),2 8)" PEERS="$(PEERS)" tests/bench/controller.sh

bench-scale: prerequisites build ## time and memory on 10, 100 and 1,000 hosts beside pyinfra, and over a slow link (root)
	$(SUDO) tests/bench/scale.sh

bench-scheduler: ## a decision's time and memory beside crm_simulate, without nodes: SIZES="1000x32 …", CASES=directory of CIBs
	cargo build --release --locked -p muster
	tests/bench/scheduler.sh

clean-lab: ## removes every lab of this machine
	$(SUDO) target/release/muster lab down --all
