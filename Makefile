# SPDX-License-Identifier: Apache-2.0
# Thin on purpose: meson and ninja do the work. `make help` lists what a person types.

BUILD ?= build
PREFIX ?= /usr/local
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
PACKAGES := gcc binutils meson ninja-build pkg-config libinih-dev libjansson-dev libcmocka-dev libcap-dev libseccomp-dev \
  libblkid-dev libpcap-dev libbpf-dev libmnl-dev iproute2 iputils-ping
TEST_PACKAGES := $(PACKAGES) clang libclang-rt-14-dev valgrind gdb \
  qemu-system-x86 busybox-static xz-utils kmod fio dmsetup mdadm lvm2 btrfs-progs irqbalance grub-common systemd ethtool iperf3 \
  tcpdump dpdk-dev radvd traceroute frr
STYLE_PACKAGES := $(PACKAGES) clang-format clang-tidy

.DEFAULT_GOAL := build
.PHONY: help build install uninstall demo test bench deps test-deps style-deps check-style analyze clean

help:
	@echo "make demo         install what is missing, build, and run cells on a software NVMe device, network cards and as a router"
	@echo "make test         install what is missing, build, and run all tests"
	@echo "make bench        build and measure: a table, and JSON in $(BUILD)/bench.json"
	@echo "make build        build only; the program is $(BUILD)/bulkhead"
	@echo "make install      build and install below PREFIX (/usr/local), with DESTDIR in front; make uninstall removes it"
	@echo "make check-style  clang-format in check mode"
	@echo "make analyze      gcc -fanalyzer and clang-tidy"

# Says what it is about to install, installs only that, starts no daemon.
define install
	@tools/packages.sh $(1)
endef

deps:
	$(call install,$(PACKAGES))

test-deps:
	$(call install,$(TEST_PACKAGES))

style-deps:
	$(call install,$(STYLE_PACKAGES))

$(BUILD)/build.ninja: | deps
	@meson setup $(BUILD) >/dev/null || { cat $(BUILD)/meson-logs/meson-log.txt; exit 1; }

build: deps $(BUILD)/build.ninja
	@ninja -C $(BUILD)

install: build
	@meson configure $(BUILD) -Dprefix=$(PREFIX) && ninja -C $(BUILD) --quiet
	@$(if $(DESTDIR),,$(SUDO)) env DESTDIR="$(DESTDIR)" meson install -C $(BUILD) --no-rebuild --quiet
	@echo "installed below $(DESTDIR)$(PREFIX); docs/systemd.md has the next steps"

uninstall: build
	@$(if $(DESTDIR),,$(SUDO)) env DESTDIR="$(DESTDIR)" tools/uninstall.sh $(BUILD)

demo: deps $(BUILD)/build.ninja
	@ninja -C $(BUILD) bulkhead apps/nvme-bench.cell apps/pktgen.cell apps/fwd.cell
	@$(SUDO) tools/demo.sh $(BUILD)

test: test-deps
	@SUDO="$(SUDO)" tools/test.sh

bench: test-deps build
	@$(SUDO) tools/bench.sh $(BUILD)

check-style: style-deps
	@git ls-files '*.c' '*.h' | xargs clang-format --dry-run --Werror

analyze: style-deps
	@tools/analyze.sh

clean:
	rm -rf build build-*
