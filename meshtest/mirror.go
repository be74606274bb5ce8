package meshtest

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// mirror shows a process of the control plane as a Pod, as a kubelet does with
// the static pods that it runs on its own: kubectl finds it, reads its log and
// reaches its ports, under the numbers that they have on a cluster. The node does
// not start or end it.
type mirror struct {
	namespace, name, container string
	labels                     map[string]string
	address                    string          // on which it listens
	ports                      map[int32]int32 // its port on a cluster, and here
	log                        string
}

// mirrorOfIstiod shows istiod. Its debug endpoints are for callers on its own
// loopback, which the node's address is.
func (c *controlPlane) mirrorOfIstiod() mirror {
	return mirror{
		namespace: rootNamespace, name: "istiod", container: "discovery",
		labels:  map[string]string{"app": "istiod", "istio": "pilot", "istio.io/rev": "default"},
		address: c.address,
		ports: map[int32]int32{
			8080: int32(c.ports.istiod), 15010: int32(c.ports.xds), 15014: int32(c.ports.monitoring), 15017: int32(c.ports.webhook),
		},
		log: filepath.Join(c.dir, "logs", "istiod.log"),
	}
}

// is says whether a Pod is the mirror's.
func (m mirror) is(namespace, pod string) bool { return m.namespace == namespace && m.name == pod }

// isMirror says whether a Pod only shows what runs by itself.
func isMirror(pod *corev1.Pod) bool { return pod.Annotations[corev1.MirrorPodAnnotationKey] != "" }

func (m mirror) pod() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: m.namespace, Name: m.name, Labels: m.labels,
			Annotations: map[string]string{corev1.MirrorPodAnnotationKey: "local"},
		},
		Spec: corev1.PodSpec{
			NodeName: nodeName, HostNetwork: true,
			Containers: []corev1.Container{{Name: m.container, Image: "istio/pilot:" + IstioVersion}},
		},
	}
}

// show makes the Pod and says that it runs.
func (n *node) show(ctx context.Context, m mirror) error {
	pod, err := n.kube.CoreV1().Pods(m.namespace).Create(ctx, m.pod(), metav1.CreateOptions{FieldManager: fieldManager})
	if apierrors.IsAlreadyExists(err) { // from an earlier start in the same directory
		pod, err = n.kube.CoreV1().Pods(m.namespace).Get(ctx, m.name, metav1.GetOptions{})
	}
	if err != nil {
		return fmt.Errorf("create Pod %s/%s: %w", m.namespace, m.name, err)
	}
	status, err := json.Marshal(map[string]any{"status": podStatus(pod, n.address, m.address, true, nil, 0)})
	if err != nil {
		return err
	}
	return n.patchStatus(ctx, pod, status)
}
