// Reading a World from a cluster.

package preflight

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	istio "istio.io/client-go/pkg/clientset/versioned"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// RootNamespace is where Istio lives unless the mesh says otherwise.
const RootNamespace = "istio-system"

// Kinds returns the resources that Look lists, with the API group of each. Who may
// not list one of them in the whole cluster gets what some namespaces have. It
// looks for namespaces and for the configuration of the mesh, too.
func Kinds() map[string]string {
	const group = "networking.istio.io"
	return map[string]string{
		"services": "", "pods": "",
		"virtualservices": group, "destinationrules": group, "gateways": group,
		"serviceentries": group, "sidecars": group, "workloadentries": group,
	}
}

// Look reads the mesh that config reaches, all kinds side by side. What must not
// be read in the whole cluster is read in the namespaces that are given and in the
// mesh's root namespace, as far as possible; Notes say what is missing. It is an
// error only when the cluster does not answer. It writes nothing.
func Look(ctx context.Context, config *rest.Config, namespaces ...string) (World, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // a dozen requests, all at once
	kube, err := kubernetes.NewForConfig(protobuf(config))
	if err != nil {
		return World{}, fmt.Errorf("kubeconfig: %w", err)
	}
	mesh, err := istio.NewForConfig(config)
	if err != nil {
		return World{}, fmt.Errorf("kubeconfig: %w", err)
	}
	l := &looker{kube: kube, within: inOrder(append(slices.Clone(namespaces), RootNamespace))}
	l.world = World{Domain: "cluster.local", Root: RootNamespace}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return l.meshConfig(ctx) })
	for resource, read := range l.readers(kube, mesh) {
		group.Go(func() error { return l.list(ctx, resource, read) })
	}
	if err := group.Wait(); err != nil {
		return World{}, err
	}
	l.note()
	return l.world, nil
}

// protobuf is config for objects that are cheaper to read that way.
func protobuf(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.ContentType, config.AcceptContentTypes = "application/vnd.kubernetes.protobuf", "application/vnd.kubernetes.protobuf,application/json"
	return config
}

func inOrder(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// looker collects a World.
type looker struct {
	kube   kubernetes.Interface
	within []string

	mu     sync.Mutex // for what follows
	world  World
	narrow map[string][]string // by resource: the namespaces in which it could be read
}

// reader lists one kind of objects in a namespace, or with "" in all.
type reader func(ctx context.Context, namespace string) error

// readers returns how each kind is read. Namespaces are in none.
func (l *looker) readers(kube kubernetes.Interface, mesh istio.Interface) map[string]reader {
	var all metav1.ListOptions
	core, net, w := kube.CoreV1(), mesh.NetworkingV1(), &l.world
	return map[string]reader{
		"namespaces": func(ctx context.Context, namespace string) error {
			if namespace != "" {
				found, err := core.Namespaces().Get(ctx, namespace, metav1.GetOptions{})
				return take(l, err, &w.Namespaces, found)
			}
			found, err := core.Namespaces().List(ctx, all)
			return take(l, err, &w.Namespaces, pointersTo(found.Items)...)
		},
		"services": func(ctx context.Context, namespace string) error {
			found, err := core.Services(namespace).List(ctx, all)
			return take(l, err, &w.Services, pointersTo(found.Items)...)
		},
		"pods": func(ctx context.Context, namespace string) error {
			found, err := core.Pods(namespace).List(ctx, all)
			return take(l, err, &w.Pods, pointersTo(found.Items)...)
		},
		"virtualservices": func(ctx context.Context, namespace string) error {
			found, err := net.VirtualServices(namespace).List(ctx, all)
			return take(l, err, &w.VirtualServices, found.Items...)
		},
		"destinationrules": func(ctx context.Context, namespace string) error {
			found, err := net.DestinationRules(namespace).List(ctx, all)
			return take(l, err, &w.DestinationRules, found.Items...)
		},
		"gateways": func(ctx context.Context, namespace string) error {
			found, err := net.Gateways(namespace).List(ctx, all)
			return take(l, err, &w.Gateways, found.Items...)
		},
		"serviceentries": func(ctx context.Context, namespace string) error {
			found, err := net.ServiceEntries(namespace).List(ctx, all)
			return take(l, err, &w.ServiceEntries, found.Items...)
		},
		"sidecars": func(ctx context.Context, namespace string) error {
			found, err := net.Sidecars(namespace).List(ctx, all)
			return take(l, err, &w.Sidecars, found.Items...)
		},
		"workloadentries": func(ctx context.Context, namespace string) error {
			found, err := net.WorkloadEntries(namespace).List(ctx, all)
			return take(l, err, &w.WorkloadEntries, found.Items...)
		},
	}
}

func take[T any](l *looker, err error, into *[]*T, found ...*T) error {
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	*into = append(*into, found...)
	return nil
}

// list reads one kind: in all namespaces or, where that is forbidden, in some.
func (l *looker) list(ctx context.Context, resource string, read reader) error {
	err := read(ctx, metav1.NamespaceAll)
	if !apierrors.IsForbidden(err) {
		return l.because(resource, err)
	}
	var readable []string
	for _, namespace := range l.within {
		switch err := read(ctx, namespace); {
		case err == nil, apierrors.IsNotFound(err):
			readable = append(readable, namespace)
		case !apierrors.IsForbidden(err):
			return l.because(resource, err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.narrow == nil {
		l.narrow = map[string][]string{}
	}
	l.narrow[resource] = readable
	return nil
}

// because words why a kind could not be read. One that the cluster does not know
// has no objects.
func (*looker) because(resource string, err error) error {
	if err == nil || apierrors.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("list %s: %w", resource, err)
}

// note says what could be read in part only, and what not at all.
func (l *looker) note() {
	byPlace := map[string][]string{}
	for _, resource := range slices.Sorted(maps.Keys(l.narrow)) {
		if len(l.narrow[resource]) == 0 {
			l.world.Unread = append(l.world.Unread, resource)
		}
		place := fmt.Sprintf("%q", l.narrow[resource])
		byPlace[place] = append(byPlace[place], resource)
	}
	for _, place := range slices.Sorted(maps.Keys(byPlace)) {
		what := strings.Join(byPlace[place], ", ")
		if place == "[]" {
			l.world.Notes = append(l.world.Notes, what+" could not be read: what follows from them was not checked")
			continue
		}
		l.world.Notes = append(l.world.Notes, fmt.Sprintf("%s could be read in namespaces %s only: what follows from those elsewhere was not checked", what, place))
	}
}

func pointersTo[T any](items []T) []*T {
	all := make([]*T, len(items))
	for i := range items {
		all[i] = &items[i]
	}
	return all
}
