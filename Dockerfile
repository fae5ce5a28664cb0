# The container images of Ballast: one stage a program, and `job` with all that pods of jobs run. Without Docker and
# without a registry of images, scripts/build_images.sh does it, base included.
#
#   docker build --target operator --tag ballast-operator:0.1.0 .
#   docker build --target job --tag ballast-job:0.1.0 .
#   docker build --target job-gpu --tag ballast-job-gpu:0.1.0 .      the same with CUDA: 1.6 GB more
#
# BASE      Debian 12, slim; any copy of it will do
# PROGRAMS  build: compile them in here; prebuilt: take those of build/release/bin, built on Debian 12 as well
# CUDA      cuda: compile the CUDA half in here; prebuilt-cuda: take that of build/cuda/image
ARG BASE=debian:bookworm-slim
ARG CUDA=cuda
ARG PROGRAMS=build

FROM ${BASE} AS build
WORKDIR /src
COPY scripts/install_dependencies.sh scripts/
RUN apt-get update && scripts/install_dependencies.sh
COPY . .
RUN cmake --preset release && ninja -C build/release programs
RUN install -D --strip --target-directory=/programs build/release/bin/ballast build/release/bin/ballast-operator \
  build/release/bin/ballast-ps build/release/bin/ballast-worker

FROM scratch AS prebuilt
COPY build/release/bin/ballast build/release/bin/ballast-operator build/release/bin/ballast-ps \
  build/release/bin/ballast-worker /programs/

FROM ${PROGRAMS} AS programs

# Libraries of Debian that all of them are linked with.
FROM ${BASE} AS runtime
RUN apt-get update \
  && apt-get install --yes --quiet=2 --no-install-recommends \
    libcivetweb1 libfmt9 libgrpc++1.51 libprometheus-cpp-core1.0 libprotobuf32 libssl3 libxxhash0 \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*

FROM runtime AS operator
RUN apt-get update \
  && apt-get install --yes --quiet=2 --no-install-recommends libcurl4 libyaml-cpp0.7 \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
COPY --from=programs /programs/ballast-operator /usr/bin/
USER 65532:65532
ENTRYPOINT ["/usr/bin/ballast-operator"]

FROM runtime AS server
COPY --from=programs /programs/ballast-ps /usr/bin/
USER 65532:65532
ENTRYPOINT ["/usr/bin/ballast-ps"]

FROM runtime AS engine
RUN apt-get update \
  && apt-get install --yes --quiet=2 --no-install-recommends libdnnl2 libgomp1 libicu72 libyaml-cpp0.7 \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*

FROM engine AS worker
COPY --from=programs /programs/ballast-worker /usr/bin/
USER 65532:65532
ENTRYPOINT ["/usr/bin/ballast-worker"]

# What pods of jobs run unless their template names another image; and the command line, for checkpoints on volumes.
FROM engine AS job
RUN apt-get update \
  && apt-get install --yes --quiet=2 --no-install-recommends libcurl4 \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
COPY --from=programs /programs/ballast /programs/ballast-ps /programs/ballast-worker /usr/bin/
USER 65532:65532

# The CUDA half of the engine with CUDA's libraries; the driver's come with the node's container runtime.
FROM build AS cuda
RUN apt-get update && apt-get install --yes --quiet=2 python3-venv && scripts/build_cuda.sh --image /cuda

FROM scratch AS prebuilt-cuda
COPY build/cuda/image /cuda/

FROM ${CUDA} AS cuda-libraries

# `job` on nodes with GPUs: name it as the image of the worker's template, beside nvidia.com/gpu.
FROM job AS job-gpu
COPY --from=cuda-libraries /cuda /usr/lib/ballast
# By the path, too: libraries of CUDA that look for others by name.
ENV LD_LIBRARY_PATH=/usr/lib/ballast NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
