package corpus

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/faultline-mesh/faultline/injector"
)

type object = map[string]any

var (
	virtualServices = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}
	serviceEntries  = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "serviceentries"}
	gateways        = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "gateways"}
	services        = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	namespaces      = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
)

// target is what a fault on a VirtualService can be on, and whose requests meet
// it.
type target struct {
	on   injector.Service
	from injector.Callers
}

// targetsOf returns all targets of vs, which is in a namespace of its own: each
// of its hosts for sidecars, and each service it sends to for its gateways.
func targetsOf(vs *unstructured.Unstructured) []target {
	var targets []target
	bound, _, _ := unstructured.NestedStringSlice(vs.Object, "spec", "gateways")
	hosts, _, _ := unstructured.NestedStringSlice(vs.Object, "spec", "hosts")
	if len(bound) == 0 || slices.Contains(bound, "mesh") {
		for _, host := range hosts {
			targets = append(targets, target{on: serviceOf(host, vs.GetNamespace())})
		}
	}
	for _, gateway := range bound {
		if gateway == "mesh" {
			continue
		}
		if !strings.Contains(gateway, "/") {
			gateway = vs.GetNamespace() + "/" + gateway
		}
		for _, host := range slices.Sorted(maps.Keys(destinations(vs.Object["spec"]))) {
			targets = append(targets, target{on: serviceOf(host, vs.GetNamespace()), from: injector.Callers{Gateway: gateway}})
		}
	}
	return targets
}

// serviceOf returns what a host in an object in namespace stands for.
func serviceOf(host, namespace string) injector.Service {
	host = strings.Replace(host, "*", "any", 1)
	labels := strings.Split(host, ".")
	switch {
	case len(labels) == 1:
		return injector.Service{Namespace: namespace, Name: host}
	case strings.HasSuffix(host, ".svc.cluster.local") && len(labels) == 5:
		return injector.Service{Namespace: labels[1], Name: labels[0]}
	}
	return injector.Service{Namespace: namespace, Host: host}
}

// destinations returns the hosts that routes send to, with the ports they name.
func destinations(spec any) map[string][]int64 {
	found := map[string][]int64{}
	visit(spec, func(o object) {
		if destination, ok := o["destination"].(object); ok {
			host, _ := destination["host"].(string)
			found[host] = append(found[host], 0)
			if port, _, _ := unstructured.NestedInt64(destination, "port", "number"); port != 0 {
				found[host] = append(found[host], port)
			}
		}
	})
	return found
}

// portsOf returns every port that a VirtualService names, and 80.
func portsOf(spec any) []int64 {
	ports := map[int64]bool{80: true}
	visit(spec, func(o object) {
		for _, value := range []any{o["port"], o["number"]} {
			if port, ok := value.(int64); ok && port > 0 {
				ports[port] = true
			}
		}
	})
	return slices.Sorted(maps.Keys(ports))
}

// visit calls f for every object in a JSON value.
func visit(value any, f func(object)) {
	switch value := value.(type) {
	case object:
		f(value)
		for _, member := range value {
			visit(member, f)
		}
	case []any:
		for _, item := range value {
			visit(item, f)
		}
	}
}

// settle creates what a target needs to exist, unless it does.
func settle(ctx context.Context, client dynamic.Interface, t target, ports []int64) error {
	var declared []any
	for _, port := range ports {
		declared = append(declared, object{"name": fmt.Sprintf("http-%d", port), "port": port, "number": port, "protocol": "HTTP"})
	}
	if err := create(ctx, client, namespaces, "", "v1", "Namespace", t.on.Namespace, nil); err != nil {
		return err
	}
	if namespace, name, named := strings.Cut(t.from.Gateway, "/"); named {
		err := create(ctx, client, namespaces, "", "v1", "Namespace", namespace, nil)
		if err == nil {
			err = create(ctx, client, gateways, namespace, "networking.istio.io/v1", "Gateway", name, object{
				"selector": object{"istio": "ingressgateway"},
				"servers":  []any{object{"port": object{"number": int64(80), "name": "http", "protocol": "HTTP"}, "hosts": []any{"*"}}},
			})
		}
		if err != nil {
			return err
		}
	}
	if t.on.Host == "" {
		for _, port := range declared {
			delete(port.(object), "number")
			port.(object)["protocol"] = "TCP"
		}
		return create(ctx, client, services, t.on.Namespace, "v1", "Service", t.on.Name,
			object{"selector": object{"app": t.on.Name}, "ports": declared})
	}
	for _, port := range declared {
		delete(port.(object), "port")
	}
	name := strings.NewReplacer(".", "-", "/", "-").Replace(t.on.Host)
	return create(ctx, client, serviceEntries, t.on.Namespace, "networking.istio.io/v1", "ServiceEntry", name,
		object{"hosts": []any{t.on.Host}, "ports": declared, "resolution": "DNS"})
}

func create(
	ctx context.Context, client dynamic.Interface, resource schema.GroupVersionResource, namespace, version, kind, name string, spec object,
) error {
	metadata := object{"name": name}
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	obj := &unstructured.Unstructured{Object: object{"apiVersion": version, "kind": kind, "metadata": metadata}}
	if spec != nil {
		obj.Object["spec"] = spec
	}
	_, err := client.Resource(resource).Namespace(namespace).Create(ctx, obj, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create %s %s/%s: %w", kind, namespace, name, err)
	}
	return nil
}
