// Package meshtest starts a real Istio mesh on the loopback interface of one
// Linux machine: etcd, kube-apiserver and istiod, a stock Envoy beside every
// workload, an ingress gateway, all as ordinary processes without root, without
// containers. It is to a mesh what envtest is to an API server.
//
//	mesh := meshtest.Mesh{Images: map[string]string{"faultline/shop": "bin/shop"}}
//	if err := mesh.Start(ctx); err != nil { … }
//	defer mesh.Stop(ctx)
//	err := mesh.Deploy(ctx, "examples/shop/mesh")
//	client := kubernetes.NewForConfig(mesh.Config())
//
// What you reach through [Mesh.Config] is an ordinary API server: kubectl get,
// logs and port-forward work, VirtualServices take effect in the proxies about
// 30 ms after the write. Nothing that uses a mesh needs to know it is local.
//
// Rules, in order of importance:
//
//   - Every process of a mesh dies with the process that started it, even when
//     that gets SIGKILL. What an earlier run may have left in the same directory
//     is swept at the next start.
//   - There is no kubelet and there are no controllers: the mesh itself plays
//     Deployments (replicas become Pods) and Pods (each container a process).
//     Other workload kinds are refused.
//   - A program cooperates: it listens on the address in LISTEN_ADDR and sends
//     its calls through the proxy in HTTP_PROXY, as net/http does on its own.
//     HTTP_PROXY reaches Services on port 80; other ports are dialled on
//     OUTBOUND_IP with a Host header.
//   - There is no mutual TLS, and a proxy exports the stats that Istio's own
//     proxy exports by default unless [Mesh.AllStats] is set.
package meshtest
