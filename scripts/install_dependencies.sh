#!/bin/bash
# install_dependencies.sh [test] [cluster] [images] [check]: installs what building needs, and what testing, testing
# on a cluster, building container images and checking need on top, all of it Debian 12 packages. Does nothing, and
# needs no rights, when everything is there.
set -euo pipefail

packages=(
  build-essential cmake ninja-build ccache git pkgconf
  protobuf-compiler protobuf-compiler-grpc
  libcivetweb-dev libcli11-dev libcurl4-openssl-dev libdnnl-dev libexpected-dev libfmt-dev libgomp1
  libgrpc++-dev libicu-dev libjs-dygraphs
  libprotobuf-dev libssl-dev libxxhash-dev libyaml-cpp-dev
  nlohmann-json3-dev prometheus-cpp-dev
  libbenchmark-dev libgmock-dev libgtest-dev librapidcheck-dev python3
)
for group in "$@"; do
  case $group in
    test)
      # prometheus: for promtool; bible-kjv: a long text; clang: for libFuzzer; lld: links in a quarter of ld's time;
      # python3-torch: the oracle, which takes fifteen times as long over the BLAS that it depends on
      packages+=(prometheus bible-kjv clang-14 libclang-rt-14-dev lld-14 libopenblas0-serial python3-torch python3-venv)
      ;;
    cluster)
      # util-linux: for namespaces; python3-venv: for a Go where the machine has none that is new enough
      packages+=(containerd containernetworking-plugins iproute2 iptables iputils-ping mount openssl python3-venv runc)
      packages+=(python3-yaml util-linux)
      ;;
    images) packages+=(buildah debootstrap) ;;
    check) packages+=(clang-format-14 clang-tidy-14 shellcheck) ;;
    *)
      echo "install_dependencies: unknown group \"$group\": expected test, cluster, images or check" >&2
      exit 2
      ;;
  esac
done

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "install_dependencies: apt-get is not there: Ballast builds on Debian 12. Missing: ${missing[*]}" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install_dependencies: neither root nor sudo. Please have these packages installed: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "install_dependencies: installing ${missing[*]}" >&2
install() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends \
    "${missing[@]}"
}
# The package lists may be there already; asking for new ones goes over the network twice.
if ! install; then
  "${as_root[@]}" apt-get update --quiet=2
  install
fi
