# Three images from one file: `make images`, or docker build --target web .
#   worker   components, training and pipelines: what steps of Kubeflow run
#   serving  KServe's model server and transformer, TorchServe with Java
#   web      the page and its server
# Versions are locked by constraints.txt. TORCH_INDEX is the address of PyTorch's wheels for the CPU, or for a version of
# CUDA, as PyTorch's page on installing names it. Without it pip takes torch from its usual index: with CUDA, and 4 GB more.

# With a python3 that has venv and pip, of Debian or Ubuntu; pin it by digest in production
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS base
ENV PATH=/opt/loupe/bin:$PATH \
    PYTHONUNBUFFERED=1

# What makes environments stays behind here, and with it pip
FROM base AS build
ARG TORCH_INDEX=
ENV PIP_CONSTRAINT=/src/constraints.txt \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python3 -m venv /opt/loupe
# Dependencies first, over an empty package, so that a changed line of ours does not fetch them again
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY loupe/__init__.py loupe/
# Versions are pinned by PIP_CONSTRAINT, which hadolint does not see

FROM build AS build-web
# hadolint ignore=DL3013
RUN python -m pip install ".[web]"
COPY . .
RUN python -m pip install --no-deps --force-reinstall . && python -m pip uninstall --yes pip

FROM build AS build-serving
# hadolint ignore=DL3013
RUN python -m pip install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} ".[torchserve]"
COPY . .
RUN python -m pip install --no-deps --force-reinstall . && python -m pip uninstall --yes pip

FROM build AS build-worker
# hadolint ignore=DL3013
RUN python -m pip install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} ".[pipelines,redis]"
COPY . .
RUN python -m pip install --no-deps --force-reinstall . && python -m pip uninstall --yes pip

# What the three share: a number for a user, since Kubernetes cannot look up names, and one place that can be written
FROM base AS run
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Loupe" \
      org.opencontainers.image.description="A small or damaged picture in, a larger and sharper one out" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV HOME=/tmp \
    TMPDIR=/tmp \
    LOUPE_CACHE_DIR=/tmp/loupe \
    LOUPE_STORAGE=file:///tmp/loupe/storage
WORKDIR /opt/loupe
VOLUME ["/tmp"]
USER 10001:10001

FROM run AS worker
COPY --from=build-worker /opt/loupe /opt/loupe
# A step or a training: whoever starts it watches it
HEALTHCHECK NONE
CMD ["python", "-m", "pipelines", "--help"]

FROM run AS serving
USER 0
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends openjdk-17-jre-headless \
    && rm -rf /var/lib/apt/lists/* /var/log/*
USER 10001:10001
COPY --from=build-serving /opt/loupe /opt/loupe
ENV LOUPE_HTTP_HOST=0.0.0.0
EXPOSE 8080 8081 8085
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=6 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/v2/health/ready', timeout=4)"]
CMD ["python", "-m", "serving"]

FROM run AS web
COPY --from=build-web /opt/loupe /opt/loupe
ENV LOUPE_WEB_HOST=0.0.0.0
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["python", "-m", "frontend"]
