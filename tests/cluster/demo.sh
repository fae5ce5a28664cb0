#!/bin/bash
# The README's three commands on a test cluster with helm and the image localhost/ballast:test, till the job succeeded.
set -euo pipefail
cd "$(dirname "$0")/../.."

show() {
  echo "\$ $*"
  "$@"
}

show kubectl get nodes
show helm install ballast helm/ballast --namespace ballast-system --create-namespace --wait --timeout 4m \
  --set images.registry=localhost,images.tag=test,images.operator.repository=ballast,images.job.repository=ballast
show kubectl apply --filename crds/examples/cluster.yaml
echo "\$ kubectl get tjob --watch"
exec 3< <(exec kubectl get tjob --watch)
watching=$!
while read -r -t 300 line <&3; do
  echo "$line"
  [[ $line != *[[:space:]]@(Succeeded|Failed)[[:space:]]* ]] || break
done
kill "$watching"
kubectl wait --for=condition=Succeeded tjob/cluster --timeout 1s >/dev/null || {
  kubectl describe tjob/cluster
  kubectl get pods --all-namespaces
  exit 1
}
show kubectl get pods --all-namespaces
