#!/bin/bash
# Format, shell scripts, house style, layering, clang-tidy: what a reviewer should never have to say.
# Runs everything and tells at the end what failed.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=()
check() {
  local name=$1
  shift
  echo "== $name"
  "$@" || failed+=("$name")
}

mapfile -t sources < <(git ls-files -co --exclude-standard '*.h' '*.cc' '*.cu' '*.cuh')
mapfile -t units < <(git ls-files -co --exclude-standard '*.cc')
mapfile -t shell < <(git ls-files -co --exclude-standard '*.sh' .ci/run)

# A build of its own: each source is compiled by itself there, as clang-tidy wants it.
# With the CUDA half where its toolkit is there.
cuda=ON
if [ ! -e "${BALLAST_CACHE:-$HOME/.cache/ballast}/cuda-13.0/made_of" ]; then
  cuda=OFF
  echo "check: clang-tidy leaves out the CUDA half, for which scripts/install_cuda.sh makes a toolkit"
  mapfile -t units < <(printf '%s\n' "${units[@]}" |
    grep -v -e '^services/engine/cuda/' -e '^tests/engine_cuda/' -e '^tests/bench_gpu/')
fi
cmake --preset release -B build/check -DBALLAST_UNITY=OFF "-DBALLAST_CUDA=$cuda" --log-level=WARNING
# clang-tidy reads generated headers, so they must be there.
if ninja -C build/check -t targets all | grep -q '^ballast_proto:'; then
  ninja -C build/check ballast_proto
fi

check "clang-format (make format repairs it)" clang-format-14 --dry-run --Werror "${sources[@]}"
check shellcheck shellcheck "${shell[@]}"
check "house style" python3 -B tests/house/tidy.py .
check layering python3 -B tests/house/layering.py . build/check/link_graph.txt
check "house rules fail when broken" python3 -B tests/house/house_test.py
# gcc's own flags and warnings mean nothing to clang.
check clang-tidy xargs -P "$(nproc)" -n 4 clang-tidy-14 --quiet -p build/check \
  --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-ignored-optimization-argument \
  < <(printf '%s\n' "${units[@]}")

if [ ${#failed[@]} -gt 0 ]; then
  printf 'check: FAILED: %s\n' "${failed[@]}"
  exit 1
fi
echo "check: all is well"
