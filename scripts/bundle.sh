#!/bin/bash
# bundle.sh BUILD_FOLDER OUT [PROGRAM...]: programs of BUILD_FOLDER/bin in OUT/bin and the shared libraries that they
# need in OUT/lib, all without debug information, and OUT.tar.xz of it: for another Linux of this processor whose glibc
# is as new as this one's. It need not have anything but glibc and, for what computes on a GPU, CUDA's libraries:
#   OUT/run PROGRAM ARGUMENTS...    finds OUT/lib and CUDA's libraries. Those of Python's packages nvidia-cu13 (PyTorch
#                                   brings them) are looked for; CUDA_LIBRARIES=FOLDER:FOLDER names others.
set -euo pipefail

build=${1:?usage: bundle.sh BUILD_FOLDER OUT [PROGRAM...]}
out=${2:?usage: bundle.sh BUILD_FOLDER OUT [PROGRAM...]}
shift 2
[ $# -gt 0 ] || set -- ballast ballast-ps ballast-worker libballast_cuda.so test_engine_cuda bench_gpu
# glibc's own come with the loader of the other machine, and CUDA's are a gigabyte that it has.
glibc='^(linux-vdso|ld-linux.*|lib(c|m|mvec|pthread|dl|rt|resolv|util|anl|nsl|nss_.*|BrokenLocale))\.so'
cuda='^lib(cuda|cudart|cublas|cublasLt|cudnn.*|nvrtc.*|nvJitLink|nccl)\.so'

rm -rf "$out"
mkdir -p "$out/bin" "$out/lib"
for program in "$@"; do
  strip --strip-debug -o "$out/bin/$program" "$build/bin/$program"
  # Folders of this machine: the other one has none of them.
  printf 'file(RPATH_REMOVE FILE "%s")\n' "$(realpath "$out/bin/$program")" >"$out/remove.cmake"
  cmake -P "$out/remove.cmake" >/dev/null 2>&1
done
rm "$out/remove.cmake"
# From the build's programs, which still know where CUDA's libraries are: what those need is not ours to bring.
for program in "$@"; do
  ldd "$build/bin/$program"
done | awk '$2 == "=>" {print $1, $3}' | sort -u | while read -r name path; do
  if [[ $name =~ $glibc || $name =~ $cuda ]]; then
    continue
  elif [ ! -e "$path" ]; then
    echo "bundle: $name is not on this machine" >&2
    exit 1
  fi
  strip --strip-unneeded -o "$out/lib/$name" "$path"
done

cat >"$out/run" <<'RUN'
#!/bin/sh
# run PROGRAM ARGUMENTS...: one of bin/, with the libraries of lib/ and CUDA's.
here=$(dirname "$(readlink -f "$0")")
if [ -z "${CUDA_LIBRARIES+set}" ]; then
  CUDA_LIBRARIES=$(python3 -c '
import glob, site, sys
found = [f for p in sys.path + site.getsitepackages() for n in ("cu13", "cudnn")
         for f in glob.glob(f"{p}/nvidia/{n}/lib")]
print(":".join(dict.fromkeys(found)))' 2>/dev/null)
fi
export CUDA_LIBRARIES
export LD_LIBRARY_PATH="$here/lib${CUDA_LIBRARIES:+:$CUDA_LIBRARIES}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
program=$1
shift
exec "$here/bin/$program" "$@"
RUN
chmod +x "$out/run"
# Fast rather than small: it is made anew for each try.
tar -C "$(dirname "$out")" -cf - "$(basename "$out")" | xz -0 -T 0 >"$out.tar.xz"
du -shc "$out"/{bin,lib} "$out.tar.xz" | sed 's/^/bundle: /' >&2
