#!/bin/bash
# build_images.sh FOLDER [TARGET...]: the Dockerfile's images as docker-archives FOLDER/ballast-TARGET.tar, on a Debian
# 12 without Docker and without a registry of images; as root. Default: operator and job.
#   TAG=local            of localhost/ballast-TARGET
#   PROGRAMS=prebuilt    takes build/release/bin; build compiles them in there (10 minutes and more)
#   CUDA=prebuilt-cuda   of job-gpu: takes build/cuda/image, made first if need be; cuda compiles it in there
#   BASE=FILE            a docker-archive of Debian 12; default: made by debootstrap, and kept in the cache
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:?usage: build_images.sh FOLDER [TARGET...]}
shift
[ $# -gt 0 ] || set -- operator job
tag=${TAG:-local}
cache=${BALLAST_CACHE:-$HOME/.cache/ballast}
base=${BASE:-$cache/images/debian-bookworm.tar}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# What buildah keeps goes with the folder; it needs no daemon, no fuse and no user namespaces.
export BUILDAH_ISOLATION=chroot
builder() { buildah --storage-driver vfs --root "$work/root" --runroot "$work/run" "$@"; }

# The mirror that this machine has its packages from.
mirror() {
  sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] \)\?\([^ ]*\).*/\2/p' \
    /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | head -n 1
}

make_base() {
  echo "build_images: making $base; this happens once" >&2
  debootstrap --variant=minbase bookworm "$work/debian" "$(mirror)" >"$work/debootstrap.log" || {
    tail -n 20 "$work/debootstrap.log" >&2
    exit 1
  }
  rm -rf "$work"/debian/var/cache/apt/archives/*.deb "$work"/debian/usr/share/{man,locale}/*
  find "$work/debian/usr/share/doc" -type f ! -name copyright -delete
  mkdir -p "$(dirname "$base")"
  local container
  container=$(builder from scratch)
  builder copy --quiet "$container" "$work/debian" / >/dev/null
  builder config --cmd /bin/bash "$container"
  builder commit --quiet "$container" "docker-archive:$base.new:localhost/debian:bookworm" >/dev/null
  builder rm "$container" >/dev/null
  rm -rf "$work/debian"
  mv "$base.new" "$base"
}

[ -e "$base" ] || make_base
builder pull --quiet "docker-archive:$base" >/dev/null
mkdir -p "$out"
for target in "$@"; do
  echo "build_images: $target" >&2
  if [ "$target" = job-gpu ] && [ "${CUDA:-prebuilt-cuda}" = prebuilt-cuda ] && [ ! -d build/cuda/image ]; then
    scripts/build_cuda.sh --image build/cuda/image
  fi
  builder build --quiet --layers --target "$target" --build-arg BASE=localhost/debian:bookworm \
    --build-arg "PROGRAMS=${PROGRAMS:-prebuilt}" --build-arg "CUDA=${CUDA:-prebuilt-cuda}" \
    --tag "localhost/ballast-$target:$tag" . >/dev/null
  rm -f "$out/ballast-$target.tar"
  builder push --quiet "localhost/ballast-$target:$tag" \
    "docker-archive:$out/ballast-$target.tar:localhost/ballast-$target:$tag"
done
