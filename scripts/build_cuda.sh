#!/bin/bash
# The CUDA half in build/cuda, with the toolkit of install_cuda.sh: compiled and linked, which needs no GPU.
#   build_cuda.sh [TARGET...]        the library that workers load, the tests on a GPU, and the benchmark
#   build_cuda.sh --image FOLDER     that library in FOLDER, beside those of CUDA that it needs
# Exit status 77: no toolkit can be had.
set -euo pipefail
cd "$(dirname "$0")/.."

export BALLAST_CACHE=${BALLAST_CACHE:-$HOME/.cache/ballast}
# As in the Makefile, and with the release's flags: what it compiles, too, is taken from the compiler's cache.
export CCACHE_DIR=${CCACHE_DIR:-$BALLAST_CACHE/ccache} CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=true CCACHE_DEPEND=true
image=
if [ "${1:-}" = --image ]; then
  image=${2:?build_cuda.sh: --image needs a folder}
  set -- ballast_cuda
fi
[ $# -gt 0 ] || set -- ballast_cuda test_engine_cuda bench_gpu

if [ -z "${BALLAST_CUDA_ROOT:-}" ]; then
  status=0
  BALLAST_CUDA_ROOT=$(scripts/install_cuda.sh) || status=$?
  if [ $status -ne 0 ]; then
    [ $status -ne 77 ] || echo "build_cuda: skipped: the CUDA half was not compiled: no toolkit can be had here" >&2
    exit $status
  fi
fi
cmake --preset cuda "-DBALLAST_CUDA_ROOT=$BALLAST_CUDA_ROOT" --log-level=WARNING
ninja -C build/cuda -j "${JOBS:-$(nproc)}" "$@"
if [ -n "$image" ]; then
  mkdir -p "$image"
  strip --strip-debug -o "$image/libballast_cuda.so" build/cuda/bin/libballast_cuda.so
  cp --dereference "$BALLAST_CUDA_ROOT"/lib/lib{cudart,cublasLt}.so.13 "$BALLAST_CUDA_ROOT"/lib/libcudnn*.so.9 \
    "$BALLAST_CUDA_ROOT"/lib/libnvrtc.so.13 "$BALLAST_CUDA_ROOT"/lib/libnvrtc-builtins.so.13.0 "$image"
fi
