#!/bin/bash
# install_cuda.sh: what compiling and linking the CUDA half needs, from Python wheels, without root and without a GPU;
# prints the folder, ${BALLAST_CACHE:-~/.cache/ballast}/cuda-13.0, which looks as a toolkit's does, with cuDNN and its
# frontend in it. A gigabyte, once; does nothing when it is there. Exit status 77: the wheels cannot be had.
set -euo pipefail

wheels=(
  nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-cuda-cccl==13.0.85
  nvidia-cuda-runtime==13.0.96 nvidia-cublas==13.1.0.3
  nvidia-cuda-nvrtc==13.0.88   # cuDNN loads it, to compile the attention for the GPU that it finds
  nvidia-cudnn-cu13==9.15.1.9 nvidia-cudnn-frontend==1.18.0
)
cache=${BALLAST_CACHE:-$HOME/.cache/ballast}
root=$cache/cuda-13.0
made_of=$(printf '%s\n' "${wheels[@]}")

mkdir -p "$cache"
exec 9>"$root.lock"
flock 9
if [ "$(cat "$root/made_of" 2>/dev/null)" = "$made_of" ]; then
  echo "$root"
  exit 0
fi

work=$(mktemp -d "$root.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "install_cuda: downloading ${#wheels[@]} wheels into $root; this happens once" >&2
if ! python3 -m venv "$work/python" >"$work/log" 2>&1; then
  echo "install_cuda: python3 -m venv fails (Debian: python3-venv): $(tail -n 1 "$work/log")" >&2
  exit 77
fi
if ! "$work/python/bin/pip" install --quiet --disable-pip-version-check --retries 2 --timeout 60 --no-deps \
  --no-compile --no-cache-dir --only-binary :all: --target "$work/wheels" "${wheels[@]}" >"$work/log" 2>&1; then
  echo "install_cuda: the wheels cannot be downloaded: $(grep -v '^WARNING' "$work/log" | tail -n 1)" >&2
  exit 77
fi

made=$work/made
mv "$work/wheels/nvidia/cu13" "$made"
mv "$work/wheels/nvidia/cudnn/include"/* "$made/include"
mv "$work/wheels/nvidia/cudnn/lib"/* "$made/lib"
mv "$work/wheels/include"/* "$made/include"
ln -s lib "$made/lib64"   # nvcc.profile's name
for library in "$made"/lib/lib*.so.*; do   # a wheel has libfoo.so.13 alone, and the linker looks for libfoo.so
  name=$(basename "$library")
  [ -e "$made/lib/${name%%.so.*}.so" ] || ln -s "$name" "$made/lib/${name%%.so.*}.so"
done
"$made/bin/nvcc" --version >"$work/log" 2>&1 || {
  echo "install_cuda: nvcc of the wheels does not run here: $(tail -n 1 "$work/log")" >&2
  exit 1
}
printf '%s\n' "$made_of" >"$made/made_of"
rm -rf "$root"
mv "$made" "$root"
echo "$root"
