package injector

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic/fake"
	k8stesting "k8s.io/client-go/testing"
)

// cluster is a fake API server that does what client-go's fake leaves out and
// this package leans on: it refuses an update of an old resourceVersion, and a
// deletion of another object than the one meant.
type cluster struct {
	*fake.FakeDynamicClient
	t testing.TB

	mu      sync.Mutex
	version int
	writes  []string // "update shop/payments", in order

	// before is asked ahead of each call; an error is the answer.
	before func(verb, namespace, name string) error
	// after is asked once a write is done; an error takes the place of its answer.
	after func(verb, namespace, name string) error

	// What there is to Leases is told and asked apart, because a keeper calls at
	// any time: leaseHistory leaves renewals out.
	leaseWrites             []string
	beforeLease, afterLease func(verb, namespace, name string) error
	noLeases                bool // as if every Lease was deleted: keepers end
}

func newCluster(tb testing.TB, documents ...string) *cluster {
	tb.Helper()
	kinds := map[schema.GroupVersionResource]string{
		virtualServices: "VirtualServiceList", envoyFilters: "EnvoyFilterList", destinationRules: "DestinationRuleList",
		services: "ServiceList", pods: "PodList", serviceEntries: "ServiceEntryList", gateways: "GatewayList",
		kubeNamespaces: "NamespaceList", httpRoutes: "HTTPRouteList", grpcRoutes: "GRPCRouteList", leases: "LeaseList",
	}
	c := &cluster{t: tb, FakeDynamicClient: fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds)}
	c.PrependReactor("*", "*", c.react)
	tb.Cleanup(func() { // whoever is not reverted dies with its test
		c.mu.Lock()
		defer c.mu.Unlock()
		c.noLeases = true
	})
	for _, text := range documents {
		for _, obj := range decode(tb, text) {
			c.add(obj)
		}
	}
	return c
}

// add puts an object in as if a user had created it.
func (c *cluster) add(obj *unstructured.Unstructured) {
	c.t.Helper()
	resource := map[string]schema.GroupVersionResource{
		kindVirtualService: virtualServices, kindEnvoyFilter: envoyFilters, "DestinationRule": destinationRules,
		"Service": services, "Pod": pods, kindServiceEntry: serviceEntries, "Gateway": gateways,
		"Namespace": kubeNamespaces, "HTTPRoute": httpRoutes, "GRPCRoute": grpcRoutes, kindLease: leases,
	}[obj.GetKind()]
	obj = obj.DeepCopy()
	c.stamp(obj, true)
	if err := c.Tracker().Create(resource, obj, obj.GetNamespace()); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) stamp(obj *unstructured.Unstructured, created bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version++
	obj.SetResourceVersion(strconv.Itoa(c.version))
	if created {
		obj.SetUID(types.UID("uid-" + strconv.Itoa(c.version)))
	}
}

func (c *cluster) react(action k8stesting.Action) (bool, runtime.Object, error) {
	verb, namespace, name := action.GetVerb(), action.GetNamespace(), ""
	switch a := action.(type) {
	case k8stesting.CreateActionImpl:
		name = a.Object.(*unstructured.Unstructured).GetName()
	case k8stesting.UpdateActionImpl:
		name = a.Object.(*unstructured.Unstructured).GetName()
	case k8stesting.DeleteActionImpl:
		name = a.Name
	case k8stesting.GetActionImpl:
		name = a.Name
	}
	before, after, writes := c.hooks(action.GetResource())
	if before != nil {
		if err := before(verb, namespace, name); err != nil {
			return true, nil, err
		}
	}
	stored, wrote, err := c.write(action, name)
	if !wrote {
		return false, nil, nil // reads are as the fake has them
	}
	if err == nil {
		c.mu.Lock()
		*writes = append(*writes, fmt.Sprintf("%s %s/%s", verb, namespace, name))
		c.mu.Unlock()
		if after != nil {
			err = after(verb, namespace, name)
		}
	}
	return true, stored, err
}

type hook = func(verb, namespace, name string) error

// hooks returns what is asked before and after a call to a resource, and where
// writes of it are noted.
func (c *cluster) hooks(resource schema.GroupVersionResource) (before, after hook, writes *[]string) {
	if resource != leases {
		return c.before, c.after, &c.writes
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.noLeases {
		return func(_, _, name string) error { return apierrors.NewNotFound(leases.GroupResource(), name) }, nil, &c.leaseWrites
	}
	return c.beforeLease, c.afterLease, &c.leaseWrites
}

// setLeaseHooks sets what is asked before and after each call about a Lease,
// while a keeper may be calling.
func (c *cluster) setLeaseHooks(before, after hook) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.beforeLease, c.afterLease = before, after
}

// leaseHistory returns the writes of Leases, less renewals.
func (c *cluster) leaseHistory() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.leaseWrites), func(write string) bool { return strings.HasPrefix(write, "update ") })
}

// write does a write, and says whether the action was one.
func (c *cluster) write(action k8stesting.Action, name string) (runtime.Object, bool, error) {
	resource, namespace := action.GetResource(), action.GetNamespace()
	current := func() (*unstructured.Unstructured, error) {
		obj, err := c.Tracker().Get(resource, namespace, name)
		if err != nil {
			return nil, err
		}
		return obj.(*unstructured.Unstructured), nil
	}
	switch a := action.(type) {
	case k8stesting.CreateActionImpl:
		obj := a.Object.(*unstructured.Unstructured).DeepCopy()
		c.stamp(obj, true)
		return obj, true, c.Tracker().Create(resource, obj, namespace)
	case k8stesting.UpdateActionImpl:
		obj := a.Object.(*unstructured.Unstructured).DeepCopy()
		live, err := current()
		if err != nil {
			return nil, true, err
		}
		if live.GetResourceVersion() != obj.GetResourceVersion() {
			return nil, true, apierrors.NewConflict(resource.GroupResource(), name, fmt.Errorf("version %s is old", obj.GetResourceVersion()))
		}
		c.stamp(obj, false)
		return obj, true, c.Tracker().Update(resource, obj, namespace)
	case k8stesting.DeleteActionImpl:
		live, err := current()
		if err != nil {
			return nil, true, err
		}
		if p := a.DeleteOptions.Preconditions; name != haltName && (p == nil || p.UID == nil || *p.UID != live.GetUID()) {
			return nil, true, apierrors.NewConflict(resource.GroupResource(), name, fmt.Errorf("uid is %s", live.GetUID()))
		}
		return nil, true, c.Tracker().Delete(resource, namespace, name)
	}
	return nil, false, nil
}

// get returns an object as it is, or nil.
func (c *cluster) get(ref Ref) *unstructured.Unstructured {
	c.t.Helper()
	resource, err := ref.resource()
	if err != nil {
		c.t.Fatal(err)
	}
	obj, err := c.Tracker().Get(resource, ref.Namespace, ref.Name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return obj.(*unstructured.Unstructured)
}

// change edits an object as a user would, whatever its version.
func (c *cluster) change(ref Ref, edit func(*unstructured.Unstructured)) {
	c.t.Helper()
	resource, err := ref.resource()
	if err != nil {
		c.t.Fatal(err)
	}
	obj := c.get(ref).DeepCopy()
	edit(obj)
	c.stamp(obj, false)
	if err := c.Tracker().Update(resource, obj, ref.Namespace); err != nil {
		c.t.Fatal(err)
	}
}

// content is what revert must restore: an object without its version.
func (c *cluster) content(ref Ref) string {
	c.t.Helper()
	obj := c.get(ref)
	if obj == nil {
		return "gone"
	}
	obj = obj.DeepCopy()
	unstructured.RemoveNestedField(obj.Object, "metadata", "resourceVersion")
	return asJSON(c.t, obj.Object)
}

// injector returns an Injector for c.
func (c *cluster) injector() *Injector {
	c.t.Helper()
	in, err := NewForClient(c, WithBy(testBy))
	if err != nil {
		c.t.Fatal(err)
	}
	return in
}

// plan plans faults for an hour from now.
func (c *cluster) plan(in *Injector, run string, faults ...Fault) Plan {
	c.t.Helper()
	plan, err := in.Plan(c.t.Context(), run, faults, BlastRadius{}, in.Now().Add(time.Hour))
	if err != nil {
		c.t.Fatal(err)
	}
	return plan
}
