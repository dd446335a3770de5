#!/usr/bin/env bash
# Builds images with docker, podman or buildah, whichever works here: images/build.sh [worker serving web]
#   BUILDER       docker, podman or buildah (default: the first that answers)
#   REGISTRY      prefix of the names, such as registry.example/imaging
#   TAG           default: the project's version
#   BASE_IMAGE, TORCH_INDEX   arguments of the Dockerfile
#   BUILD_FLAGS   more flags of the builder
set -euo pipefail
cd "$(dirname "$0")/.."

pick() {
  local each
  for each in docker podman buildah; do
    if command -v "$each" >/dev/null && timeout 20 "$each" info >/dev/null 2>&1; then
      echo "$each"
      return
    fi
  done
  echo "images: got none of docker, podman and buildah that answers, expected one" >&2
  return 1
}

builder=${BUILDER:-$(pick)}
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' loupe/__init__.py)
revision=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
prefix=${REGISTRY:+${REGISTRY%/}/}
arguments=(--build-arg "VERSION=$version" --build-arg "REVISION=$revision")
[ -z "${BASE_IMAGE:-}" ] || arguments+=(--build-arg "BASE_IMAGE=$BASE_IMAGE")
[ -z "${TORCH_INDEX+given}" ] || arguments+=(--build-arg "TORCH_INDEX=$TORCH_INDEX")
case $builder in
  # Without the format of Docker there is no HEALTHCHECK
  podman) command=(podman build --format docker) ;;
  buildah) command=(buildah bud --format docker --layers) ;;
  *) command=(docker build) ;;
esac
read -ra more <<<"${BUILD_FLAGS:-}"

targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(worker serving web)
for target in "${targets[@]}"; do
  name="${prefix}loupe-$target:${TAG:-$version}"
  began=$SECONDS
  "${command[@]}" "${arguments[@]}" "${more[@]}" --target "$target" -t "$name" .
  echo "images: $name is built in $((SECONDS - began)) s"
done
