package soak

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/faultline-mesh/faultline/observe"
)

// policy is the shop's DestinationRule for payments.
type policy struct {
	testing.TB
	ctx    context.Context
	api    dynamic.ResourceInterface
	mesh   *observe.Mesh
	before *unstructured.Unstructured // as it was; nil while it is
}

func newPolicy(tb testing.TB) *policy {
	tb.Helper()
	client, err := dynamic.NewForConfig(mesh.Config())
	if err != nil {
		tb.Fatal(err)
	}
	watched, err := observe.New(mesh.Config())
	if err != nil {
		tb.Fatal(err)
	}
	rules := schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "destinationrules"}
	return &policy{TB: tb, ctx: context.WithoutCancel(tb.Context()), api: client.Resource(rules).Namespace("shop"), mesh: watched}
}

// remove takes the outlier detection away, once, and returns when the callers'
// proxies have none.
func (p *policy) remove() {
	p.Helper()
	if p.before != nil {
		return
	}
	rule, err := p.api.Get(p.ctx, "payments", metav1.GetOptions{})
	if err != nil {
		p.Error(err)
		return
	}
	p.before = rule.DeepCopy()
	unstructured.RemoveNestedField(rule.Object, "spec", "trafficPolicy", "outlierDetection")
	if _, err := p.api.Update(p.ctx, rule, metav1.UpdateOptions{}); err != nil {
		p.Error(err)
		return
	}
	p.await(false)
}

// restore brings it back if it was taken away.
func (p *policy) restore() {
	p.Helper()
	defer func() {
		if err := p.mesh.Close(); err != nil {
			p.Error(err)
		}
	}()
	if p.before == nil {
		return
	}
	now, err := p.api.Get(p.ctx, "payments", metav1.GetOptions{})
	if err != nil {
		p.Error(err)
		return
	}
	p.before.SetResourceVersion(now.GetResourceVersion())
	if _, err := p.api.Update(p.ctx, p.before, metav1.UpdateOptions{}); err != nil {
		p.Error(err)
		return
	}
	p.await(true)
}

// await returns when every proxy of the shop ejects hosts of payments, or none.
func (p *policy) await(ejects bool) {
	p.Helper()
	proxies, err := p.mesh.Proxies(p.ctx, "shop")
	if err != nil {
		p.Error(err)
		return
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(20 * time.Second)
	for _, proxy := range proxies {
		for {
			dump, err := p.mesh.ConfigDump(p.ctx, proxy, "resource=dynamic_active_clusters&name_regex=outbound.*payments.*")
			if err == nil && strings.Contains(string(dump), `"outlier_detection"`) == ejects {
				break
			}
			if time.Now().After(deadline) {
				p.Errorf("%s: not within 20 s: outlier detection %t (%v)", proxy, ejects, err)
				return
			}
			<-tick.C
		}
	}
}
