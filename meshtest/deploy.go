package meshtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// deployLimit is how long Deploy waits for pods to become ready.
const deployLimit = 60 * time.Second

// unplayable are workload kinds that need controllers the mesh does not have.
var unplayable = []string{"StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob"}

// Deploy applies ordinary manifests (files, or directories of them) and returns
// when their pods are ready and every proxy has its configuration. Unknown
// fields, images without an executable, unsupported workloads and whatever
// istiod's validation refuses are reported together before anything is written;
// such an error is an [InputError]. Deploying the same again changes nothing.
func (m *Mesh) Deploy(ctx context.Context, paths ...string) error {
	return m.DeployIn(ctx, "", paths...)
}

// DeployIn is [Mesh.Deploy] for manifests that belong in a namespace and do not
// say so, as kubectl apply -n takes them. The namespace must be there.
func (m *Mesh) DeployIn(ctx context.Context, namespace string, paths ...string) error {
	objects, err := readManifests(paths)
	if err != nil {
		return &InputError{err}
	}
	for i := range objects {
		objects[i].home = namespace
	}
	return m.deploy(ctx, objects)
}

// DeployYAML is [Mesh.Deploy] for manifests at hand.
func (m *Mesh) DeployYAML(ctx context.Context, manifests string) error {
	objects, err := parseManifests("manifests", []byte(manifests))
	if err != nil {
		return &InputError{err}
	}
	return m.deploy(ctx, objects)
}

// InputError says that what was given to the mesh is wrong; nothing was written.
type InputError struct{ Err error }

// Error says what is wrong, one problem a line.
func (e *InputError) Error() string { return e.Err.Error() }

// Unwrap returns the problems.
func (e *InputError) Unwrap() error { return e.Err }

func (m *Mesh) deploy(ctx context.Context, objects []manifest) error {
	ctx, cancel := context.WithTimeoutCause(ctx, deployLimit, fmt.Errorf("gave up after %s", deployLimit))
	defer cancel()
	if err := errors.Join(m.checkWorkloads(objects), m.applier.check(ctx, objects)); err != nil {
		return &InputError{err}
	}
	workloads, others := split(objects, func(o manifest) bool {
		return slices.Contains([]string{"Deployment", "Pod"}, o.GetKind())
	})
	if err := m.applier.applyAll(ctx, others); err != nil {
		return err
	}
	if err := m.wiring.refresh(ctx); err != nil {
		return err
	}
	for i, w := range workloads {
		if w.GetKind() == "Pod" {
			bound, err := m.bindPod(w)
			if err != nil {
				return err
			}
			workloads[i] = bound
		}
	}
	if err := m.applier.applyAll(ctx, workloads); err != nil {
		return err
	}
	if err := m.awaitPods(ctx, workloads); err != nil {
		return err
	}
	return m.awaitProxies(ctx)
}

// checkWorkloads refuses what the local mesh cannot play.
func (m *Mesh) checkWorkloads(objects []manifest) error {
	var errs []error
	for _, o := range objects {
		kind := o.GetKind()
		if slices.Contains(unplayable, kind) {
			errs = append(errs, fmt.Errorf("%s: %s: the local mesh plays Deployments and Pods only", o.source, o))
			continue
		}
		path := []string{"spec"}
		if kind == "Deployment" {
			path = []string{"spec", "template", "spec"}
		} else if kind != "Pod" {
			continue
		}
		content, _, err := unstructured.NestedMap(o.Object, path...)
		var spec corev1.PodSpec
		if err == nil {
			err = runtime.DefaultUnstructuredConverter.FromUnstructured(content, &spec)
		}
		if err == nil {
			err = checkPodSpec(m.images, spec)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", o.source, o, err))
		}
	}
	return errors.Join(errs...)
}

// bindPod readies a bare Pod for our node, as the scheduler and the injector would.
func (m *Mesh) bindPod(w manifest) (manifest, error) {
	if w.GetNamespace() == "" {
		w.SetNamespace(cmp.Or(w.home, metav1.NamespaceDefault))
	}
	namespace, err := m.deployments.namespaces.Get(w.GetNamespace())
	if err != nil {
		return w, fmt.Errorf("%s: %s: %w", w.source, w, err)
	}
	var pod corev1.Pod
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(w.Object, &pod); err != nil {
		return w, fmt.Errorf("%s: %s: %w", w.source, w, err)
	}
	bind(&pod, namespace)
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&pod)
	if err != nil {
		return w, fmt.Errorf("%s: %s: %w", w.source, w, err)
	}
	unstructured.RemoveNestedField(content, "status")
	return manifest{source: w.source, Unstructured: &unstructured.Unstructured{Object: content}}, nil
}

// awaitPods returns when every pod of the workloads is ready; the first one that
// cannot start is an error at once.
func (m *Mesh) awaitPods(ctx context.Context, workloads []manifest) error {
	var waiting error
	err := poll(ctx, func() (bool, error) {
		waiting = nil
		if err := m.Exited(); err != nil {
			return true, err
		}
		for _, w := range workloads {
			names, err := m.podsOf(w)
			if err != nil {
				waiting = err
				continue
			}
			for _, name := range names {
				ready, trouble := m.node.state(w.GetNamespace(), name)
				if trouble != nil {
					waiting = trouble
					return true, nil
				}
				if !ready {
					waiting = fmt.Errorf("Pod %s/%s is not ready", w.GetNamespace(), name)
				}
			}
		}
		return waiting == nil, waiting
	})
	if waiting != nil {
		return fmt.Errorf("deploy: %w", waiting)
	}
	return err
}

// podsOf names the pods that a workload asks for.
func (m *Mesh) podsOf(w manifest) ([]string, error) {
	if w.GetKind() == "Pod" {
		return []string{w.GetName()}, nil
	}
	deployment, err := m.deployments.list.Deployments(w.GetNamespace()).Get(w.GetName())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w, err)
	}
	if deployment.Generation < w.GetGeneration() {
		return nil, fmt.Errorf("%s: is not seen yet", w)
	}
	wanted, err := m.deployments.wanted(deployment)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(wanted))
	for name := range wanted {
		names = append(names, name)
	}
	return names, nil
}
