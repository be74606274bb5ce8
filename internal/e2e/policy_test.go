package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/faultline-mesh/faultline/experiments/preflight"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

// policies are objects for a service NAME each, and what is special about them.
var policies = map[string]string{
	"plain": "",
	"block": rule("", "trafficPolicy: {outlierDetection: {}}"),
	"merged": rule("-a", "subsets: [{name: v1, labels: {version: v1}}]") +
		rule("-b", "trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}"),
	"first": rule("-b", "trafficPolicy: {outlierDetection: {consecutive5xxErrors: 4}}") +
		rule("-a", "trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}"),
	"port": rule("", "trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}, portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 7}}}]}"),
	"subset": rule("", "trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3, maxEjectionPercent: 50}}, "+
		"subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}, trafficPolicy: {outlierDetection: {consecutiveGatewayErrors: 2, baseEjectionTime: 7s}}}]") +
		routes("", "[{route: [{destination: {host: NAME, subset: v1}, weight: 90}, {destination: {host: NAME, subset: v2}, weight: 10}]}]"),
	"subsetport": rule("", "trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}, "+
		"subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 7}}}]}}]") +
		routes("", "[{route: [{destination: {host: NAME, subset: v1}}]}]"),
	"never":    routes("", "[{retries: {attempts: 0}, timeout: 3s, route: [{destination: {host: NAME}}]}]"),
	"codes":    routes("", `[{retries: {attempts: 3, perTryTimeout: 250ms, retryOn: "5xx,409"}, route: [{destination: {host: NAME}}]}]`),
	"second":   routes("-b", "[{timeout: 3s, route: [{destination: {host: NAME}}]}]") + routes("-a", "[{timeout: 2s, route: [{destination: {host: NAME}}]}]"),
	"unseen":   strings.Replace(routes("", "[{timeout: 3s, route: [{destination: {host: NAME}}]}]"), "spec: {", "spec: {exportTo: [istio-system], ", 1),
	"delegate": routes("", "[{name: root, match: [{uri: {prefix: /a}}], timeout: 3s, delegate: {name: policy-delegate-child}}, {retries: {attempts: 0}, route: [{destination: {host: NAME}}]}]") + child,
	"catchall": routes("", "[{name: all, retries: {attempts: 0}, route: [{destination: {host: NAME}}]}, {name: never, match: [{uri: {prefix: /b}}], route: [{destination: {host: NAME}}]}]"),
	"chosen": rule("-all", "trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}") +
		rule("-one", "workloadSelector: {matchLabels: {app: checkout}}, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 9}}"),
	"private":   rule("", `exportTo: ["."], trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}`),
	"elsewhere": rule("", `exportTo: [istio-system], trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}`),
	"root": strings.Replace(rule("", "trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}"), "namespace: shop", "namespace: istio-system", 1) +
		strings.Replace(rule("-unused", "trafficPolicy: {connectionPool: {tcp: {maxConnections: 7}}}"), "spec: {host: NAME", `spec: {exportTo: [istio-system], host: NAME`, 1),
}

const child = `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: policy-delegate-child, namespace: shop}
spec: {http: [{name: leaf, retries: {attempts: 1, retryOn: 5xx}, route: [{destination: {host: NAME}}]}]}`

func rule(suffix, spec string) string {
	return "\n---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: NAME" + suffix +
		", namespace: shop}\nspec: {host: NAME.shop.svc.cluster.local, " + spec + "}"
}

func routes(suffix, http string) string {
	return "\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: NAME" + suffix +
		", namespace: shop}\nspec: {hosts: [NAME.shop.svc.cluster.local], http: " + http + "}"
}

// The policy in effect that a plan tells of is the one that istiod gives to the
// callers' proxies.
func TestPlannedPolicyIsThatOfTheProxies(t *testing.T) {
	var documents strings.Builder
	for name, objects := range policies {
		const service = "\n---\napiVersion: v1\nkind: Service\nmetadata: {name: NAME, namespace: shop}\nspec: {selector: {app: NAME}, ports: [{name: http, port: 80}]}"
		documents.WriteString(strings.ReplaceAll(service+objects, "NAME", "policy-"+name))
	}
	if err := mesh.DeployYAML(t.Context(), documents.String()); err != nil {
		t.Fatal(err)
	}
	world, err := preflight.Look(t.Context(), cluster)
	if err != nil {
		t.Fatal(err)
	}
	planned := map[string]string{}
	for name := range policies {
		f := injector.Fault{
			On: injector.Service{Namespace: "shop", Name: "policy-" + name}, Site: injector.Caller, From: injector.Callers{Namespace: "shop", Labels: map[string]string{"app": "checkout"}},
			Effect: injector.Abort{HTTPStatus: 503, Percent: 100},
		}
		hops := preflight.Check(preflight.Question{Faults: []injector.Fault{f}}, world).Hops
		if len(hops) != 1 {
			t.Fatalf("%s has the hops %v", name, hops)
		}
		planned[name] = plannedText(hops[0])
	}
	seen := map[string]string{}
	eventually(t, "the proxy of checkout has all of it", func() bool {
		seen = seenTexts(t)
		return gocmp.Equal(planned, seen)
	})
	if diff := gocmp.Diff(planned, seen); diff != "" {
		t.Errorf("(-planned +seen):\n%s", diff)
	}
}

// plannedText is a hop in few words.
func plannedText(h preflight.Hop) string {
	var lines []string
	for _, r := range h.Routes {
		text := fmt.Sprintf("%s timeout %s retries %d × %s on %v %v", r.Name, r.Timeout, r.Retries.Attempts, r.Retries.PerTry, withStatuses(r.Retries.On, r.Retries.Statuses), r.Retries.Statuses)
		for _, d := range r.Destination {
			text += fmt.Sprintf(" to %q", d.Subset)
			if len(r.Destination) > 1 {
				text += fmt.Sprintf(" %.0f%%", 100*d.Share)
			}
			if e := d.Policy.Ejection; e != nil {
				text += fmt.Sprintf(": %d 5xx, %d gateway, %s, %s, %d%%", e.FiveXX, e.GatewayErrors, e.Base, e.Interval, e.MaxPercent)
			}
		}
		lines = append(lines, text)
	}
	return strings.Join(lines, "\n")
}

// withStatuses is what retries are on once Istio has named the condition for
// statuses.
func withStatuses(on []string, statuses []int) string {
	if len(statuses) > 0 && !slices.Contains(on, "retriable-status-codes") {
		on = append(slices.Clone(on), "retriable-status-codes")
	}
	return strings.Join(on, ",")
}

// dump is as much of a config_dump as tells of policies.
type dump struct {
	Configs []struct {
		RouteConfig struct {
			VirtualHosts []struct {
				Name   string
				Routes []struct {
					Name  string
					Route struct {
						Timeout          string
						Cluster          string
						WeightedClusters struct {
							Clusters []struct {
								Name   string
								Weight int
							}
						} `json:"weighted_clusters"`
						RetryPolicy struct {
							RetryOn              string `json:"retry_on"`
							NumRetries           int    `json:"num_retries"`
							PerTryTimeout        string `json:"per_try_timeout"`
							RetriableStatusCodes []int  `json:"retriable_status_codes"`
						} `json:"retry_policy"`
					}
				}
			} `json:"virtual_hosts"`
		} `json:"route_config"`
		Cluster struct {
			Name             string
			OutlierDetection *struct {
				FiveXX     *int   `json:"consecutive_5xx"`
				Gateway    int    `json:"consecutive_gateway_failure"`
				Base       string `json:"base_ejection_time"`
				Interval   string
				MaxPercent int `json:"max_ejection_percent"`
			} `json:"outlier_detection"`
		}
	}
}

// seenTexts is what the proxy of checkout has for each of the services.
func seenTexts(t *testing.T) map[string]string {
	t.Helper()
	looking, err := observe.New(cluster)
	if err != nil {
		t.Fatal(err)
	}
	defer looking.Close() //nolint:errcheck // it only looks
	proxies, err := looking.Proxies(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(proxies, func(p observe.Proxy) bool { return p.Labels["app"] == "checkout" })
	var routes, clusters dump
	for resource, into := range map[string]*dump{"dynamic_route_configs": &routes, "dynamic_active_clusters": &clusters} {
		text, err := looking.ConfigDump(t.Context(), proxies[i], "resource="+resource)
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ejections := map[string]string{}
	for _, c := range clusters.Configs {
		if o := c.Cluster.OutlierDetection; o != nil {
			fiveXX := 5
			if o.FiveXX != nil {
				fiveXX = *o.FiveXX
			}
			ejections[c.Cluster.Name] = fmt.Sprintf(": %d 5xx, %d gateway, %s, %s, %d%%", fiveXX, o.Gateway,
				length(o.Base, 30*time.Second), length(o.Interval, 10*time.Second), cmp.Or(o.MaxPercent, 10))
		}
	}
	seen := map[string]string{}
	for _, c := range routes.Configs {
		for _, host := range c.RouteConfig.VirtualHosts {
			rest, ours := strings.CutPrefix(host.Name, "policy-")
			name, _, _ := strings.Cut(rest, ".")
			if !ours || seen[name] != "" {
				continue
			}
			var lines []string
			for _, r := range host.Routes {
				policy := r.Route.RetryPolicy
				text := fmt.Sprintf("%s timeout %s retries %d × %s on %v %v", strings.TrimPrefix(r.Name, "default"), length(r.Route.Timeout, 0),
					policy.NumRetries, length(policy.PerTryTimeout, 0), policy.RetryOn, policy.RetriableStatusCodes)
				if r.Route.Cluster != "" {
					text += fmt.Sprintf(" to %q%s", subsetOf(r.Route.Cluster), ejections[r.Route.Cluster])
				}
				for _, w := range r.Route.WeightedClusters.Clusters {
					text += fmt.Sprintf(" to %q %d%%%s", subsetOf(w.Name), w.Weight, ejections[w.Name])
				}
				lines = append(lines, text)
			}
			seen[name] = strings.Join(lines, "\n")
		}
	}
	return seen
}

func length(text string, otherwise time.Duration) time.Duration {
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d
	}
	return otherwise
}

func subsetOf(cluster string) string { return strings.Split(cluster, "|")[2] }
