package meshtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// deployments plays the Deployment controller: replicas become Pods, named after
// the Deployment, its template and a number, and a changed template replaces
// them all at once.
type deployments struct {
	kube kubernetes.Interface

	list       appslisters.DeploymentLister
	pods       corelisters.PodLister
	namespaces corelisters.NamespaceLister
	queue      workqueue.TypedRateLimitingInterface[string]
}

func (d *deployments) watch(ctx context.Context, factory informers.SharedInformerFactory) error {
	d.queue = workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]())
	d.list = factory.Apps().V1().Deployments().Lister()
	d.pods = factory.Core().V1().Pods().Lister()
	d.namespaces = factory.Core().V1().Namespaces().Lister()
	factory.Core().V1().Namespaces().Informer() // so that the factory starts it
	changed := func(object any) {
		if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(object); err == nil {
			d.queue.Add(key)
		}
	}
	owned := func(object any) {
		if pod, ok := object.(*corev1.Pod); ok {
			if owner := metav1.GetControllerOf(pod); owner != nil && owner.Kind == "Deployment" {
				d.queue.Add(pod.Namespace + "/" + owner.Name)
			}
		}
	}
	_, err1 := factory.Apps().V1().Deployments().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: changed, UpdateFunc: func(_, object any) { changed(object) }, DeleteFunc: changed,
	})
	_, err2 := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: owned, UpdateFunc: func(_, object any) { owned(object) }, DeleteFunc: owned,
	})
	context.AfterFunc(ctx, d.queue.ShutDown)
	return errors.Join(err1, err2)
}

// run syncs Deployments one at a time until ctx ends.
func (d *deployments) run(ctx context.Context) {
	for {
		key, shutdown := d.queue.Get()
		if shutdown {
			return
		}
		if err := d.sync(ctx, key); err != nil && ctx.Err() == nil {
			d.queue.AddRateLimited(key)
		} else {
			d.queue.Forget(key)
		}
		d.queue.Done(key)
	}
}

func (d *deployments) sync(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return err
	}
	deployment, err := d.list.Deployments(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return d.removePods(ctx, namespace, name, nil)
	}
	if err != nil {
		return err
	}
	wanted, err := d.wanted(deployment)
	if err != nil {
		return err
	}
	if err := d.removePods(ctx, namespace, name, wanted); err != nil {
		return err
	}
	for podName, pod := range wanted {
		if _, err := d.pods.Pods(namespace).Get(podName); err == nil {
			continue
		}
		_, err := d.kube.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{FieldManager: fieldManager})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("create Pod %s/%s: %w", namespace, podName, err)
		}
	}
	return d.report(ctx, deployment, wanted)
}

// wanted are the pods a Deployment asks for, by name.
func (d *deployments) wanted(deployment *appsv1.Deployment) (map[string]*corev1.Pod, error) {
	namespace, err := d.namespaces.Get(deployment.Namespace)
	if err != nil {
		return nil, err
	}
	template, err := json.Marshal(deployment.Spec.Template)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(template)
	hash := hex.EncodeToString(sum[:4])
	replicas := 1
	if deployment.Spec.Replicas != nil {
		replicas = int(*deployment.Spec.Replicas)
	}
	pods := make(map[string]*corev1.Pod, replicas)
	for i := range replicas {
		pod := &corev1.Pod{
			ObjectMeta: *deployment.Spec.Template.ObjectMeta.DeepCopy(),
			Spec:       *deployment.Spec.Template.Spec.DeepCopy(),
		}
		pod.Name, pod.Namespace = fmt.Sprintf("%s-%s-%d", deployment.Name, hash, i), deployment.Namespace
		pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(deployment, appsv1.SchemeGroupVersion.WithKind("Deployment"))}
		pod.Labels = maps.Clone(pod.Labels)
		pod.Labels["pod-template-hash"] = hash
		bind(pod, namespace)
		pods[pod.Name] = pod
	}
	return pods, nil
}

// bind puts a pod on our node, and a sidecar into it where its labels or its
// namespace's ask for one, as Istio's injector decides.
func bind(pod *corev1.Pod, namespace *corev1.Namespace) {
	pod.Spec.NodeName = nodeName
	if pod.Spec.ServiceAccountName == "" {
		pod.Spec.ServiceAccountName = "default"
	}
	wants := namespace.Labels["istio-injection"] == "enabled" || namespace.Labels["istio.io/rev"] != ""
	if asked, ok := pod.Labels["sidecar.istio.io/inject"]; ok {
		wants = asked == "true"
	}
	if !wants || hasProxy(pod) {
		return
	}
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	pod.Labels[podLabel] = pod.Name
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{
		Name: proxyContainer, Image: "envoyproxy/envoy:v" + EnvoyVersion, Resources: proxyResources(),
	})
}

// proxyResources are what Istio's chart gives to sidecars. Nothing here holds
// them to it.
func proxyResources() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi")},
		Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("1Gi")},
	}
}

// removePods deletes the Deployment's pods that are not wanted.
func (d *deployments) removePods(ctx context.Context, namespace, name string, wanted map[string]*corev1.Pod) error {
	owned, err := d.owned(namespace, name)
	if err != nil {
		return err
	}
	for _, pod := range owned {
		if wanted[pod.Name] != nil || pod.DeletionTimestamp != nil {
			continue
		}
		err := d.kube.CoreV1().Pods(namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete Pod %s/%s: %w", namespace, pod.Name, err)
		}
	}
	return nil
}

func (d *deployments) owned(namespace, name string) ([]*corev1.Pod, error) {
	selector, err := metav1.LabelSelectorAsSelector(&metav1.LabelSelector{})
	if err != nil {
		return nil, err
	}
	pods, err := d.pods.Pods(namespace).List(selector)
	if err != nil {
		return nil, err
	}
	var owned []*corev1.Pod
	for _, pod := range pods {
		if owner := metav1.GetControllerOf(pod); owner != nil && owner.Kind == "Deployment" && owner.Name == name {
			owned = append(owned, pod)
		}
	}
	return owned, nil
}

// report writes the Deployment's status when it has changed.
func (d *deployments) report(ctx context.Context, deployment *appsv1.Deployment, wanted map[string]*corev1.Pod) error {
	var replicas, ready int32
	for name := range wanted {
		pod, err := d.pods.Pods(deployment.Namespace).Get(name)
		if err != nil {
			continue
		}
		replicas++
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				ready++
			}
		}
	}
	status := deployment.Status
	if status.Replicas == replicas && status.ReadyReplicas == ready && status.ObservedGeneration == deployment.Generation {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"status": map[string]any{
		"observedGeneration": deployment.Generation, "replicas": replicas, "updatedReplicas": replicas,
		"readyReplicas": ready, "availableReplicas": ready,
	}})
	if err != nil {
		return err
	}
	_, err = d.kube.AppsV1().Deployments(deployment.Namespace).Patch(ctx, deployment.Name, types.MergePatchType, patch,
		metav1.PatchOptions{FieldManager: fieldManager}, "status")
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
