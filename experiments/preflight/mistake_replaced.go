package preflight

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	networking "istio.io/api/networking/v1alpha3"
	networkingv1 "istio.io/client-go/pkg/apis/networking/v1"
)

// blockReplacesParent finds blocks for a subset or a port that take the place of
// the service's as a whole, and with it settings that they do not repeat.
func blockReplacesParent(c *check) []Finding {
	return c.eachBlock(func(dr *networkingv1.DestinationRule, b block) string {
		if b.subset == nil && b.port == 0 {
			return "" // it is the parent
		}
		var lost []string
		for _, parent := range parentsOf(dr, b) {
			for _, one := range lostOf(parent, b.policy, b.port != 0) {
				if !slices.Contains(lost, one) {
					lost = append(lost, one)
				}
			}
		}
		if len(lost) == 0 {
			return ""
		}
		what := "replaces the blocks that it has as a whole"
		if b.port != 0 {
			what = "replaces everything that is written for all ports"
		}
		return fmt.Sprintf(" %s, and inherits nothing from them: Istio's defaults apply there in place of %s. Repeat in it what should stay.",
			what, strings.Join(lost, ", "))
	})
}

// parentsOf returns the policies in whose place a block is.
func parentsOf(dr *networkingv1.DestinationRule, b block) []*networking.TrafficPolicy {
	service := dr.Spec.GetTrafficPolicy()
	if b.subset == nil {
		return []*networking.TrafficPolicy{service}
	}
	if b.port == 0 {
		return []*networking.TrafficPolicy{service}
	}
	atService, _ := atPort(service, int(b.port))
	return []*networking.TrafficPolicy{b.subset.GetTrafficPolicy(), atService}
}

// lostOf returns what parent sets and own, in its place, does not. Blocks that own
// does not have stay the parent's, unless own is for a port.
func lostOf(parent, own *networking.TrafficPolicy, forPort bool) []string {
	if parent == nil {
		return nil
	}
	var lost []string
	for _, pair := range []struct {
		name        string
		theirs, our proto.Message
	}{
		{"outlierDetection", parent.GetOutlierDetection(), own.GetOutlierDetection()},
		{"connectionPool", parent.GetConnectionPool(), own.GetConnectionPool()},
		{"loadBalancer", parent.GetLoadBalancer(), own.GetLoadBalancer()},
		{"tls", parent.GetTls(), own.GetTls()},
	} {
		theirs, ours := pair.theirs.ProtoReflect(), pair.our.ProtoReflect()
		switch {
		case !theirs.IsValid():
		case !ours.IsValid() && forPort:
			lost = append(lost, settings(pair.name, theirs, nil)...)
		case ours.IsValid() && pair.name != "loadBalancer" && pair.name != "tls": // of those two, another is meant to be another
			lost = append(lost, settings(pair.name, theirs, ours)...)
		}
	}
	return lost
}

// settings returns the fields that are set in theirs and not in ours, each with
// its path and value.
func settings(path string, theirs, ours protoreflect.Message) []string {
	var all []string
	fields := theirs.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if !theirs.Has(f) {
			continue
		}
		name, value := path+"."+f.JSONName(), theirs.Get(f)
		inner := f.Kind() == protoreflect.MessageKind && !f.IsList() && !f.IsMap() && isBlock(value.Message())
		switch {
		case inner && ours != nil && ours.Has(f):
			all = append(all, settings(name, value.Message(), ours.Get(f).Message())...)
		case inner:
			all = append(all, settings(name, value.Message(), nil)...)
		case ours == nil || !ours.Has(f):
			all = append(all, name+" "+valueText(f, value))
		}
	}
	return all
}

// isBlock says whether a message has settings, other than those that stand for a
// single value.
func isBlock(m protoreflect.Message) bool {
	return strings.HasPrefix(string(m.Descriptor().FullName()), "istio.")
}

// valueText writes a value as it stands in YAML.
func valueText(f protoreflect.FieldDescriptor, value protoreflect.Value) string {
	if f.Kind() == protoreflect.MessageKind && !f.IsList() && !f.IsMap() {
		if d, ok := value.Message().Interface().(*durationpb.Duration); ok {
			return d.AsDuration().String()
		}
		if inner := value.Message().Descriptor().Fields().ByName("value"); inner != nil { // of a wrapper
			return value.Message().Get(inner).String()
		}
	}
	if f.Kind() == protoreflect.EnumKind && !f.IsList() {
		if known := f.Enum().Values().ByNumber(value.Enum()); known != nil {
			return string(known.Name())
		}
	}
	return value.String()
}
