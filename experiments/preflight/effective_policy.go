package preflight

import (
	networking "istio.io/api/networking/v1alpha3"
)

// Policy is what a caller's proxy has for one cluster: a service, or a subset of
// it, at one port.
type Policy struct {
	Objects  []string // DestinationRules that it comes from, as "DestinationRule shop/payments"
	Missing  bool     // the subset is in none of them: requests are answered with 503
	Ejection *Ejection
	Pool     *networking.ConnectionPoolSettings // as written, nil when nothing is
	Balancer *networking.LoadBalancerSettings   // as written, nil when nothing is

	Hosts      int  // that the cluster has
	HostsKnown bool // whether the objects tell
}

// policy returns what a caller's proxies have for a destination.
//
// Sources: pilot/pkg/networking/core/cluster_builder.go (applyDestinationRule,
// buildSubsetCluster) and pilot/pkg/networking/util (MergeSubsetTrafficPolicy)
// of Istio.
func (c *check) policy(to Destination, from Caller) Policy {
	rule := c.ruleFor(to.Host, from)
	subset := rule.subset(to.Subset)
	p := Policy{Missing: to.Subset != "" && subset == nil}
	var merged *networking.TrafficPolicy
	if rule != nil {
		for _, name := range rule.objects {
			p.Objects = append(p.Objects, "DestinationRule "+name)
		}
		merged, _ = atPort(rule.spec.GetTrafficPolicy(), to.Port)
	}
	merged = c.withMeshDefaults(merged)
	if own := subset.GetTrafficPolicy(); own != nil {
		merged = overridden(merged, own, to.Port)
	}
	p.Ejection = ejectionOf(merged.GetOutlierDetection())
	p.Pool, p.Balancer = merged.GetConnectionPool(), merged.GetLoadBalancer()
	if s := c.services[to.Host]; s != nil && !p.Missing {
		p.Hosts, p.HostsKnown = c.hosts(s, subset.GetLabels())
	}
	return p
}

// atPort returns the part of a policy that is for a port: what is written for it
// replaces the rest as a whole.
func atPort(policy *networking.TrafficPolicy, port int) (part *networking.TrafficPolicy, forPort bool) {
	for _, p := range policy.GetPortLevelSettings() {
		if p.GetPort() != nil && int(p.GetPort().GetNumber()) == port {
			return &networking.TrafficPolicy{
				ConnectionPool: p.GetConnectionPool(), LoadBalancer: p.GetLoadBalancer(),
				OutlierDetection: p.GetOutlierDetection(), Tls: p.GetTls(),
			}, true
		}
	}
	return policy, false
}

// withMeshDefaults gives a policy the blocks that meshConfig has for all and it
// does not say.
func (c *check) withMeshDefaults(policy *networking.TrafficPolicy) *networking.TrafficPolicy {
	standard := c.Mesh.GetDefaultTrafficPolicy()
	if standard == nil {
		return policy
	}
	with := &networking.TrafficPolicy{
		ConnectionPool: policy.GetConnectionPool(), LoadBalancer: policy.GetLoadBalancer(),
		OutlierDetection: policy.GetOutlierDetection(), Tls: policy.GetTls(),
	}
	if with.GetConnectionPool() == nil {
		with.ConnectionPool = standard.GetConnectionPool()
	}
	if with.GetOutlierDetection() == nil {
		with.OutlierDetection = standard.GetOutlierDetection()
	}
	return with
}

// overridden returns a service's policy with that of a subset over it: each block
// of the subset replaces the service's as a whole, and one for the port replaces
// all of them, with nothing where it says nothing.
func overridden(service, subset *networking.TrafficPolicy, port int) *networking.TrafficPolicy {
	own, forPort := atPort(subset, port)
	with := &networking.TrafficPolicy{
		ConnectionPool: service.GetConnectionPool(), LoadBalancer: service.GetLoadBalancer(),
		OutlierDetection: service.GetOutlierDetection(), Tls: service.GetTls(),
	}
	if own.GetConnectionPool() != nil || forPort {
		with.ConnectionPool = own.GetConnectionPool()
	}
	if own.GetLoadBalancer() != nil || forPort {
		with.LoadBalancer = own.GetLoadBalancer()
	}
	if own.GetOutlierDetection() != nil || forPort {
		with.OutlierDetection = own.GetOutlierDetection()
	}
	return with
}
