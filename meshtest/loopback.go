package meshtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
)

// podLabel is on every pod with a sidecar and holds its name, so that a Sidecar
// can select that one pod.
const podLabel = "meshtest/pod"

// Offsets and ports of the loopback wiring.
const (
	appPortOffset = 10000 // the app listens this much above its containerPort
	proxyPort     = 15080 // the sidecar's HTTP proxy listener, on the outbound address
	adminPort     = 15000 // Envoy's admin, on the pod's address, Istio's own number
)

var (
	workloadEntries = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "workloadentries"}
	sidecars        = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "sidecars"}
)

// loopback gives each pod a loopback address of its own. EndpointSlices refuse
// such addresses, WorkloadEntries do not, and an ordinary Service selects them by
// label. A Sidecar object per pod makes its proxy listen on the pod's address
// for inbound and on a second one for outbound requests, without interception.
type loopback struct {
	block   *block
	xds     string // host:port of istiod
	stats   bool   // export all stats
	client  dynamic.Interface
	kube    kubernetes.Interface
	applier *applier

	mu    sync.Mutex
	slots []string // pod at each slot of the block, "" where free
}

var _ wiring = (*loopback)(nil)

func (l *loopback) attach(ctx context.Context, pod *corev1.Pod) (*attachment, error) {
	if isGateway(pod) && pod.Spec.HostNetwork {
		return l.attachGateway(ctx, pod)
	}
	slot, ip, err := l.take(pod)
	if err != nil {
		return nil, err
	}
	out := l.block.outbound(slot)
	a := &attachment{IP: ip}
	meshed := hasProxy(pod)
	for i, port := range appPorts(pod) {
		number := int(port.ContainerPort)
		public, private := address(ip, number), address(ip, number)
		if meshed {
			private = address(ip, number+appPortOffset)
		}
		for _, where := range slices.Compact([]string{public, private}) {
			if err := checkListen(where, pod); err != nil {
				return nil, err
			}
			a.Listens = append(a.Listens, where)
		}
		if i == 0 {
			a.Env = append(a.Env, "LISTEN_ADDR="+private)
		}
		a.Env = append(a.Env, fmt.Sprintf("LISTEN_ADDR_%d=%s", number, private))
	}
	if !meshed {
		return a, nil
	}
	a.Admin = "http://" + address(ip, adminPort)
	a.Env = append(a.Env, "OUTBOUND_IP="+out, "HTTP_PROXY=http://"+address(out, proxyPort))
	if a.Bootstrap, err = bootstrap(sidecarNode(pod, ip), a.Admin, l.xds, l.stats); err != nil {
		return nil, err
	}
	services, err := l.servicePorts(ctx)
	if err != nil {
		return nil, err
	}
	return a, l.applier.applyAll(ctx, []manifest{workloadEntry(pod, ip), sidecar(pod, ip, out, services)})
}

// attachGateway puts the ingress gateway on the node's own address.
func (l *loopback) attachGateway(ctx context.Context, pod *corev1.Pod) (*attachment, error) {
	ip := l.block.node()
	for _, port := range pod.Spec.Containers[0].Ports {
		if err := checkPort(ip, int(port.ContainerPort), "Pod "+pod.Namespace+"/"+pod.Name); err != nil {
			return nil, err
		}
	}
	a := &attachment{IP: ip, Admin: "http://" + address(ip, adminPort)}
	var err error
	if a.Bootstrap, err = bootstrap(gatewayNode(pod, ip), a.Admin, l.xds, l.stats); err != nil {
		return nil, err
	}
	return a, l.applier.applyAll(ctx, []manifest{workloadEntry(pod, ip)})
}

// relabel carries the pod's labels over to its WorkloadEntry, from which istiod
// takes subsets and endpoints.
func (l *loopback) relabel(ctx context.Context, pod *corev1.Pod) error {
	if !hasProxy(pod) || pod.Status.PodIP == "" {
		return nil
	}
	return l.applier.applyAll(ctx, []manifest{workloadEntry(pod, pod.Status.PodIP)})
}

func (l *loopback) detach(ctx context.Context, pod *corev1.Pod) error {
	var errs []error
	for _, resource := range []schema.GroupVersionResource{workloadEntries, sidecars} {
		err := l.client.Resource(resource).Namespace(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("delete %s %s/%s: %w", resource.Resource, pod.Namespace, pod.Name, err))
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.slots, podKey(pod)); i >= 0 {
		l.slots[i] = ""
	}
	return errors.Join(errs...)
}

// take finds a free slot for a pod; a pod that has one keeps it.
func (l *loopback) take(pod *corev1.Pod) (int, string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slot := slices.Index(l.slots, podKey(pod))
	if slot < 0 {
		slot = slices.Index(l.slots, "")
	}
	if slot < 0 {
		slot = len(l.slots)
		l.slots = append(l.slots, "")
	}
	ip, err := l.block.pod(slot)
	if err != nil {
		return 0, "", err
	}
	l.slots[slot] = podKey(pod)
	return slot, ip, nil
}

// refresh gives every sidecar a listener for the Services there are now.
func (l *loopback) refresh(ctx context.Context) error {
	services, err := l.servicePorts(ctx)
	if err != nil {
		return err
	}
	pods, err := l.kube.CoreV1().Pods("").List(ctx, metav1.ListOptions{LabelSelector: podLabel})
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	var objects []manifest
	for i := range pods.Items {
		pod := &pods.Items[i]
		l.mu.Lock()
		slot := slices.Index(l.slots, podKey(pod))
		l.mu.Unlock()
		if slot >= 0 && pod.Status.PodIP != "" {
			objects = append(objects, sidecar(pod, pod.Status.PodIP, l.block.outbound(slot), services))
		}
	}
	return l.applier.applyAll(ctx, objects)
}

// servicePorts are the ports, other than 80, on which some HTTP Service listens:
// a sidecar has a listener of its own for each.
func (l *loopback) servicePorts(ctx context.Context) ([]int, error) {
	services, err := l.kube.CoreV1().Services("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list services: %w", err)
	}
	var ports []int
	for _, s := range services.Items {
		for _, p := range s.Spec.Ports {
			if number := int(p.Port); number >= 1024 && s.Namespace != rootNamespace && !slices.Contains(ports, number) {
				ports = append(ports, number)
			}
		}
	}
	slices.Sort(ports)
	return ports, nil
}

func checkListen(hostport string, pod *corev1.Pod) error {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	return checkPort(host, number, "Pod "+podKey(pod))
}

func address(ip string, port int) string { return net.JoinHostPort(ip, strconv.Itoa(port)) }

func podKey(pod *corev1.Pod) string { return pod.Namespace + "/" + pod.Name }

func anyMap(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}
