// Package trafficmanagement tries what a description of Istio's traffic management
// promises: routing by header, a canary, a circuit breaker and a fault.
//
// The manifests are that description's own, unmodified, in v1beta1. Small programs
// (standin) play the services they are for, each manifest in a namespace of its
// own (standins), and there is one experiment for each claim (experiments). The
// test brings all of it up and runs the experiments; by hand:
//
//	go build -o bin/standin ./examples/traffic-management/standin
//	faultline mesh up --detach --dir /tmp/tm --image faultline/standin=bin/standin -f examples/traffic-management/standins
//	export KUBECONFIG=/tmp/tm/kubeconfig
//	cd examples/traffic-management
//	for n in reviews canary three ten ratings; do kubectl -n $n apply -f standins/web; done
//	kubectl -n reviews apply -f manifests/reviews-route.yaml -f manifests/reviews-destination.yaml
//	kubectl -n canary apply -f manifests/my-service.yaml
//	kubectl -n three apply -f manifests/circuit-breaker.yaml
//	kubectl -n ten apply -f manifests/circuit-breaker.yaml
//	kubectl -n ratings apply -f manifests/ratings.yaml
//	faultline run experiments/*.yaml
package trafficmanagement
