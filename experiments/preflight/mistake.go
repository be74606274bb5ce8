package preflight

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	networkingv1 "istio.io/client-go/pkg/apis/networking/v1"
)

// mistakes are the rules about policies that do something else than whoever wrote
// them believes. They warn: a run is possible, and shows it.
func mistakes() []rule {
	return []rule{
		{"last-try-never-ends", lastTryNeverEnds},
		{"per-try-timeout-cuts-all", perTryCutsAll},
		{"retries-miss-http-errors", retriesMissHTTPErrors},
		{"retry-on-no-status", retryOnNoStatus},
		{"fault-beside-policy", faultBesidePolicy},
		{"fault-without-percentage", faultWithoutPercentage},
		{"route-never-reached", routeNeverReached},
		{"ejection-of-nobody", ejectsNobody},
		{"consecutive-errors-ignored", consecutiveErrorsIgnored},
		{"gateway-errors-beside-5xx", gatewayErrorsBeside5xx},
		{"block-replaces-parent", blockReplacesParent},
		{"subset-missing", missingSubset},
		{"subset-without-route", subsetWithoutRoute},
		{"second-virtual-service", secondVirtualService},
		{"second-destination-rule", secondDestinationRule},
		{"bound-elsewhere", boundElsewhere},
		{"failover-without-ejection", failoverWithoutEjection},
		{"short-name-elsewhere", shortNameElsewhere},
		{"caller-without-proxy", callerWithoutProxy},
		{"port-not-http", portNotHTTP},
	}
}

// saidBy are the refusals that say of an object what a mistake says of it, and
// beside which it is left out.
func saidBy(mistake string) []string {
	switch mistake {
	case "ejection-of-nobody":
		return []string{"ejection-impossible"}
	case "last-try-never-ends":
		return []string{"tries-do-not-fit"}
	case "retries-miss-http-errors", "retry-on-no-status", "per-try-timeout-cuts-all":
		return []string{"retry-not-covered"}
	}
	return nil
}

// said says whether one of the findings so far refuses for what f warns of.
func said(f Finding, before []Finding) bool {
	by := saidBy(f.Rule)
	return slices.ContainsFunc(before, func(had Finding) bool {
		return had.Refused && slices.Contains(by, had.Rule) && slices.Contains(strings.Split(had.Object, ", "), f.Object)
	})
}

// eachRoute asks about the routes that users wrote for the calls that the
// experiment is about. What say returns is found at that route; "" is nothing.
func (c *check) eachRoute(say func(h Hop, r Route) string) []Finding {
	var all []Finding
	for _, h := range c.hops {
		for _, r := range h.Routes {
			if r.Object == "" || !c.takesLoad(h, r) {
				continue
			}
			if text := say(h, r); text != "" {
				all = found(all, r.Object, r.place()+" "+text)
			}
		}
	}
	return all
}

// found adds a warning, once.
func found(all []Finding, object, text string) []Finding {
	f := Finding{Object: object, Text: text}
	if slices.Contains(all, f) {
		return all
	}
	return append(all, f)
}

// place says where the route stands in its object: http[0], or http[0] "jason".
func (r Route) place() string {
	if r.Name == "" {
		return fmt.Sprintf("http[%d]", r.Index)
	}
	return fmt.Sprintf("http[%d] %q", r.Index, r.Name)
}

// takesLoad says whether a route can be one that the load meets: at the gateway
// by which it enters, routes for other paths are not.
func (c *check) takesLoad(h Hop, r Route) bool {
	if h.From.Gateway == "" || c.Gateway == "" || len(r.Match) == 0 {
		return true
	}
	path := c.loadPath()
	return slices.ContainsFunc(r.Match, func(m *networking.HTTPMatchRequest) bool {
		switch uri := m.GetUri().GetMatchType().(type) {
		case *networking.StringMatch_Exact:
			return uri.Exact == path || m.GetIgnoreUriCase() && strings.EqualFold(uri.Exact, path)
		case *networking.StringMatch_Prefix:
			return strings.HasPrefix(path, uri.Prefix) || m.GetIgnoreUriCase() && strings.HasPrefix(strings.ToLower(path), strings.ToLower(uri.Prefix))
		}
		return true
	})
}

// loadPath returns the path that the load's requests are for.
func (c *check) loadPath() string {
	u, err := url.Parse(c.Load.URL)
	if err != nil || u.Path == "" {
		return "/"
	}
	return u.Path
}

// rulesOfHops returns the DestinationRules that matter to the calls that the
// experiment is about: those in effect, and others of the very hosts.
func (c *check) rulesOfHops() []*networkingv1.DestinationRule {
	wanted := map[string]bool{}
	for _, h := range c.hops {
		wanted[h.To.Host] = true
		for _, r := range h.Routes {
			for _, d := range r.Destination {
				wanted[d.Host] = true
				for _, object := range d.Policy.Objects {
					wanted[object] = true
				}
			}
		}
	}
	var all []*networkingv1.DestinationRule
	for _, dr := range c.DestinationRules {
		if wanted["DestinationRule "+key(dr)] || wanted[c.resolve(dr.Spec.GetHost(), dr.Namespace)] {
			all = append(all, dr)
		}
	}
	return all
}
