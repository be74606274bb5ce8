package injector

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Callers are those whose requests meet a Caller fault. The zero Callers are
// all of them.
type Callers struct {
	// Namespace is where the caller runs. Callers in different namespaces can
	// have different VirtualServices for one service, and then it picks one.
	Namespace string

	// Labels are what the caller's pod carries, these and perhaps others.
	Labels map[string]string

	// Gateway is an Istio Gateway, as namespace/name: the caller is the proxy
	// of that gateway, by the routes that send requests to the service. It
	// leaves no room for Namespace and Labels.
	Gateway string
}

// String says who calls: "web", "web with app=frontend", "pods with app=frontend",
// "gateway shop/public"; "" for the zero Callers.
func (c Callers) String() string {
	if c.Gateway != "" {
		return "gateway " + c.Gateway
	}
	if len(c.Labels) == 0 {
		return c.Namespace
	}
	var labels []string
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		labels = append(labels, name+"="+c.Labels[name])
	}
	return cmp.Or(c.Namespace, "pods") + " with " + strings.Join(labels, ",")
}

// limited says whether sidecars are told apart by what they belong to.
func (c Callers) limited() bool { return c.Namespace != "" || len(c.Labels) > 0 }

// problems returns what is wrong with c by itself, each with its field.
func (c Callers) problems() []Reason {
	var reasons []Reason
	refuse := func(field, format string, args ...any) {
		reasons = append(reasons, Reason{"from." + field, fmt.Sprintf(format, args...)})
	}
	if c.Gateway != "" {
		namespace, name, found := strings.Cut(c.Gateway, "/")
		if !found || wrongName(namespace) != "" || wrongHost(name) != "" {
			refuse("gateway", "%q is not namespace/name of a Gateway", c.Gateway)
		}
		if c.limited() {
			refuse("gateway", "goes without namespace and labels: the Gateway says which proxies are meant")
		}
	}
	if text := wrongName(c.Namespace); c.Namespace != "" && text != "" {
		refuse("namespace", "%q: %s", c.Namespace, text)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		if text := wrongLabel(name, c.Labels[name]); text != "" {
			refuse("labels", "%s: %s", name, text)
		}
	}
	return reasons
}

// disjoint says whether no caller belongs to both.
func (c Callers) disjoint(other Callers) bool {
	switch {
	case c.Gateway != "" && other.Gateway != "":
		return c.Gateway != other.Gateway
	case c.Gateway != "" && other.limited(), other.Gateway != "" && c.limited():
		return true
	case c.Namespace != "" && other.Namespace != "" && c.Namespace != other.Namespace:
		return true
	}
	for name, value := range c.Labels {
		if theirs, found := other.Labels[name]; found && theirs != value {
			return true
		}
	}
	return false
}
