package injector

import (
	"context"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// hangs is a client that gives no answer to some requests before their context
// ends, which the fake knows nothing of.
type hangs struct {
	dynamic.Interface
	on    string // verb
	name  string // of the object
	armed *atomic.Bool
}

// hang lets a verb on objects of a name hang, once what it returns is set.
func (c *cluster) hang(in *Injector, on, name string) *atomic.Bool {
	armed := &atomic.Bool{}
	in.client = hangs{Interface: c, on: on, name: name, armed: armed}
	return armed
}

func (h hangs) Resource(r schema.GroupVersionResource) dynamic.NamespaceableResourceInterface {
	return hangingResource{h.Interface.Resource(r), h}
}

type hangingResource struct {
	dynamic.NamespaceableResourceInterface
	hangs hangs
}

func (r hangingResource) Namespace(namespace string) dynamic.ResourceInterface {
	return hangingNamespace{r.NamespaceableResourceInterface.Namespace(namespace), r.hangs}
}

type hangingNamespace struct {
	dynamic.ResourceInterface
	hangs hangs
}

func (h hangs) wait(ctx context.Context, verb, name string) error {
	if verb != h.on || name != h.name || !h.armed.Load() {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (n hangingNamespace) Create(
	ctx context.Context, obj *unstructured.Unstructured, options metav1.CreateOptions, sub ...string,
) (*unstructured.Unstructured, error) {
	if err := n.hangs.wait(ctx, "create", obj.GetName()); err != nil {
		return nil, err
	}
	return n.ResourceInterface.Create(ctx, obj, options, sub...)
}

func (n hangingNamespace) Get(
	ctx context.Context, name string, options metav1.GetOptions, sub ...string,
) (*unstructured.Unstructured, error) {
	if err := n.hangs.wait(ctx, "get", name); err != nil {
		return nil, err
	}
	return n.ResourceInterface.Get(ctx, name, options, sub...)
}

func (n hangingNamespace) Update(
	ctx context.Context, obj *unstructured.Unstructured, options metav1.UpdateOptions, sub ...string,
) (*unstructured.Unstructured, error) {
	if err := n.hangs.wait(ctx, "update", obj.GetName()); err != nil {
		return nil, err
	}
	return n.ResourceInterface.Update(ctx, obj, options, sub...)
}
