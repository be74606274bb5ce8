package meshtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"github.com/faultline-mesh/faultline/meshtest/internal/process"
)

// nodeName is the only Node of a local mesh.
const nodeName = "local"

// podWorkers is how many pods are looked after at once.
const podWorkers = 8

// node plays the kubelet: it runs the Pods that are bound to it as processes and
// tells the API server what became of them.
type node struct {
	address string
	port    int // of the kubelet endpoint
	dir     string
	envoy   string
	images  map[string]string
	kube    kubernetes.Interface
	wiring  wiring
	spawner *process.Spawner

	pods  corelisters.PodLister
	queue workqueue.TypedRateLimitingInterface[string]

	mu      sync.Mutex
	running map[string]*podRun
	workers sync.WaitGroup
}

// register creates the Node object; the kubelet endpoint in its status is how
// the API server finds logs and port-forward.
func (n *node) register(ctx context.Context) error {
	object := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName, Labels: map[string]string{
		corev1.LabelHostname: nodeName, corev1.LabelOSStable: "linux",
	}}}
	created, err := n.kube.CoreV1().Nodes().Create(ctx, object, metav1.CreateOptions{FieldManager: fieldManager})
	if apierrors.IsAlreadyExists(err) {
		created, err = n.kube.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
	}
	if err != nil {
		return fmt.Errorf("create Node %s: %w", nodeName, err)
	}
	created.Status = corev1.NodeStatus{
		Addresses:       []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: n.address}, {Type: corev1.NodeHostName, Address: nodeName}},
		DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: int32(n.port)}},
		Conditions: []corev1.NodeCondition{{
			Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "LocalMesh",
			LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now(),
		}},
		NodeInfo: corev1.NodeSystemInfo{KubeletVersion: "v" + KubernetesVersion, OperatingSystem: "linux", ContainerRuntimeVersion: "process://1"},
	}
	if _, err := n.kube.CoreV1().Nodes().UpdateStatus(ctx, created, metav1.UpdateOptions{FieldManager: fieldManager}); err != nil {
		return fmt.Errorf("status of Node %s: %w", nodeName, err)
	}
	return nil
}

// watch begins to look after Pods; it goes on until ctx ends and [node.wait].
func (n *node) watch(ctx context.Context, factory informers.SharedInformerFactory) error {
	n.running = map[string]*podRun{}
	n.queue = workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]())
	pods := factory.Core().V1().Pods()
	n.pods = pods.Lister()
	enqueue := func(object any) {
		if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(object); err == nil {
			n.queue.Add(key)
		}
	}
	_, err := pods.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: enqueue, UpdateFunc: func(_, object any) { enqueue(object) }, DeleteFunc: enqueue,
	})
	if err != nil {
		return err
	}
	for range podWorkers {
		n.workers.Go(func() { n.work(ctx) })
	}
	context.AfterFunc(ctx, n.queue.ShutDown)
	return nil
}

func (n *node) work(ctx context.Context) {
	for {
		key, shutdown := n.queue.Get()
		if shutdown {
			return
		}
		if err := n.sync(ctx, key); err != nil && ctx.Err() == nil {
			n.queue.AddRateLimited(key)
		} else {
			n.queue.Forget(key)
		}
		n.queue.Done(key)
	}
}

// sync makes what runs equal to what the API server wants for one pod.
func (n *node) sync(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return err
	}
	pod, err := n.pods.Pods(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return n.end(ctx, key)
	}
	if err != nil || pod.Spec.NodeName != nodeName {
		return err
	}
	n.mu.Lock()
	run := n.running[key]
	n.mu.Unlock()
	switch {
	case pod.DeletionTimestamp != nil:
		return n.delete(ctx, key, pod)
	case run != nil && run.pod.UID != pod.UID:
		return n.end(ctx, key)
	case isMirror(pod): // it runs by itself
	case run == nil:
		n.begin(ctx, key, pod)
	case !maps.Equal(run.labels, pod.Labels):
		if err := n.wiring.relabel(ctx, pod); err != nil {
			return err
		}
		run.labels = pod.Labels
	}
	return nil
}

func (n *node) begin(ctx context.Context, key string, pod *corev1.Pod) {
	ctx, cancel := context.WithCancel(ctx)
	run := &podRun{
		node: n, pod: pod, labels: pod.Labels, cancel: cancel, done: make(chan struct{}),
		dir: filepath.Join(n.dir, "pods", pod.Namespace, pod.Name),
	}
	n.mu.Lock()
	n.running[key] = run
	n.mu.Unlock()
	go run.loop(ctx)
}

// end stops a pod's processes and takes it out of the mesh.
func (n *node) end(ctx context.Context, key string) error {
	n.mu.Lock()
	run := n.running[key]
	n.mu.Unlock()
	if run == nil {
		return nil
	}
	run.cancel()
	<-run.done
	if err := n.wiring.detach(ctx, run.pod); err != nil {
		return err
	}
	n.mu.Lock()
	delete(n.running, key)
	n.mu.Unlock()
	n.queue.Add(key) // its successor may be waiting
	return nil
}

// delete ends a pod that is being deleted and lets the API server forget it.
func (n *node) delete(ctx context.Context, key string, pod *corev1.Pod) error {
	if err := n.end(ctx, key); err != nil {
		return err
	}
	now := int64(0)
	err := n.kube.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &pod.UID},
	})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// wait returns when every pod's processes have ended; ctx of watch has ended before.
func (n *node) wait() {
	n.workers.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, run := range n.running {
		run.cancel()
		<-run.done
	}
}

// state reports whether a pod is ready, and its last trouble.
func (n *node) state(namespace, name string) (ready bool, err error) {
	n.mu.Lock()
	run := n.running[namespace+"/"+name]
	n.mu.Unlock()
	if run == nil {
		return false, nil
	}
	return run.state()
}

// logFile names the log of a pod's container.
func (n *node) logFile(namespace, pod, container string) (string, error) {
	object, err := n.pods.Pods(namespace).Get(pod)
	if err != nil {
		return "", err
	}
	for _, c := range object.Spec.Containers {
		if c.Name == container {
			return filepath.Join(n.dir, "pods", namespace, pod, container+".log"), nil
		}
	}
	return "", fmt.Errorf("Pod %s/%s has no container %q", namespace, pod, container)
}

// addressOf names the address of a running pod.
func (n *node) addressOf(namespace, pod string) (string, error) {
	object, err := n.pods.Pods(namespace).Get(pod)
	if err != nil {
		return "", err
	}
	return podAddress(object)
}

// patchStatus writes a pod's status; a pod that is gone needs none.
func (n *node) patchStatus(ctx context.Context, pod *corev1.Pod, status []byte) error {
	_, err := n.kube.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, status,
		metav1.PatchOptions{FieldManager: fieldManager}, "status")
	if apierrors.IsNotFound(err) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// backoff is how long a crashed pod waits for its n-th restart.
func backoff(restarts int) time.Duration {
	return min(time.Second<<min(restarts, 5), 30*time.Second)
}
