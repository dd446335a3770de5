#!/usr/bin/env bash
# Builds the three images, and runs them as the chart does: a numeric user, a read-only root, no capabilities.
#   images/test.sh [--no-build]      with docker or podman; variables as in images/build.sh
# A photo goes through the page's API, TorchServe serves an archive, the worker runs the components of prepare_data.
set -euo pipefail
cd "$(dirname "$0")/.."

tool=${RUNNER:-}
for each in podman docker; do
  [ -n "$tool" ] || { timeout 20 "$each" info >/dev/null 2>&1 && tool=$each; } || true
done
[ -n "$tool" ] || { echo "images: got neither podman nor docker that answers, expected one" >&2; exit 1; }
[ "${1:-}" = --no-build ] || images/build.sh

tag=${TAG:-$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' loupe/__init__.py)}
prefix=${REGISTRY:+${REGISTRY%/}/}
name=loupe-test-$$
work=$(mktemp -d)
chmod 755 "$work"
as_the_chart=(--read-only --tmpfs "/tmp:rw,size=2g,mode=1777" --user 10001:10001 --cap-drop all
  --security-opt no-new-privileges --network "$name")

finish() {
  local status=$?
  if [ $status -ne 0 ]; then
    for each in models page torchserve; do "$tool" logs --tail 20 "$name-$each" 2>&1 | sed "s/^/$each: /" || true; done
  fi
  for each in models page torchserve; do "$tool" rm -f "$name-$each" >/dev/null 2>&1 || true; done
  "$tool" network rm -f "$name" >/dev/null 2>&1 || "$tool" network rm "$name" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap finish EXIT

start() { # what, target, arguments of run..., -- command
  local what=$1 target=$2
  shift 2
  local options=()
  while [ $# -gt 0 ] && [ "$1" != -- ]; do options+=("$1"); shift; done
  [ $# -eq 0 ] || shift
  "$tool" run -d --name "$name-$what" --network-alias "$what" "${as_the_chart[@]}" "${options[@]}" \
    "${prefix}loupe-$target:$tag" "$@" >/dev/null
}

wait_for() { # what, seconds, command in it...
  local what=$1 end=$((SECONDS + $2)) began=$SECONDS
  shift 2
  until "$tool" exec "$name-$what" "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { echo "images: $what is not ready" >&2; return 1; }
    sleep 1
  done
  echo "images: $what is ready after $((SECONDS - began)) s"
}

"$tool" network create "$name" >/dev/null
for target in worker serving web; do
  echo "images: loupe-$target has $("$tool" image inspect --format '{{.Size}}' "${prefix}loupe-$target:$tag") bytes"
done

# The page before the native server
start models serving -e LOUPE_SERVE_MODELS=edsr_fast_x2,edsr_fast_x4 -- python -m serving --host 0.0.0.0 --port 8080
start page web -e LOUPE_INFERENCE_URL=http://models:8080 -e LOUPE_OFFER_MODELS=edsr_fast_x2,edsr_fast_x4
wait_for models 180 python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/v2/health/ready')"
wait_for page 60 python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz')"
if [ "$tool" = podman ]; then # by hand, since podman has systemd run them, which a container has not
  podman healthcheck run "$name-models"
  podman healthcheck run "$name-page"
fi
"$tool" run --rm "${as_the_chart[@]}" -v "$PWD/charts/loupe/files/try_models.py:/try_models.py:ro" \
  "${prefix}loupe-web:$tag" python /try_models.py http://models:8080 edsr_fast_x2 edsr_fast_x4 --page http://page:8000
"$tool" run --rm "${as_the_chart[@]}" -v "$PWD/docs/before_after.jpg:/photo.jpg:ro" -v "$PWD/images/photo.py:/photo.py:ro" \
  "${prefix}loupe-web:$tag" python /photo.py http://page:8000 edsr_fast_x2 /photo.jpg
"$tool" exec "$name-models" sh -c '! touch /opt/loupe/x 2>/dev/null && id -u | grep -qx 10001'

# TorchServe over an archive, by the command and the variables of our ServingRuntime
mkdir -m 777 "$work/models"
"$tool" run --rm "${as_the_chart[@]}" -v "$work/models:/out" -v "$PWD/images/torchserve.py:/torchserve.py:ro" \
  "${prefix}loupe-serving:$tag" python /torchserve.py edsr_fast_x4 /out
start torchserve serving -v "$work/models:/mnt/models:ro" --env-file "$work/models/env" -w /tmp -- \
  sh -c "$(cat "$work/models/command")"
wait_for torchserve 180 python -c "$(cat "$work/models/probe")"
"$tool" run --rm "${as_the_chart[@]}" -v "$PWD/charts/loupe/files/try_models.py:/try_models.py:ro" \
  "${prefix}loupe-web:$tag" python /try_models.py http://torchserve:8085 edsr_fast_x4
"$tool" stop -t 30 "$name-torchserve" >/dev/null

# Components of a pipeline
mkdir -m 777 "$work/photos"
cp docs/before_after.jpg "$work/photos/one.jpg"
cp docs/before_after.jpg "$work/photos/two.jpg"
"$tool" run --rm "${as_the_chart[@]}" -v "$work/photos:/photos:ro" -v "$PWD/images/component.py:/component.py:ro" -w /tmp \
  "${prefix}loupe-worker:$tag" python /component.py /photos
echo "images: all three work"
