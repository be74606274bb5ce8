// Whether the callers have the policies that the API server has, before anything is
// measured with them.

package experiments

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/faultline-mesh/faultline/experiments/preflight"
	"github.com/faultline-mesh/faultline/observe"
)

// policyBudget is for a policy that was just written to reach the callers.
const policyBudget = 5 * time.Second

// clusterPolicy is what a cluster of some callers must have.
type clusterPolicy struct {
	cluster   string // as proxies name it
	namespace string // of the callers
	labels    map[string]string
	objects   string // whose policy it is
	ejection  *networking.OutlierDetection
	pool      *networking.ConnectionPoolSettings
}

// policiesOf returns what follows from DestinationRules for the calls of sidecars
// that an experiment is about.
func policiesOf(hops []preflight.Hop) []clusterPolicy {
	var all []clusterPolicy
	for _, hop := range hops {
		if hop.From.Gateway != "" {
			continue
		}
		for _, route := range hop.Routes {
			for _, to := range route.Destination {
				p := clusterPolicy{
					cluster:   observe.Cluster{Direction: observe.Outbound, Port: to.Port, Subset: to.Subset, Service: to.Host}.String(),
					namespace: hop.From.Namespace, labels: hop.From.Labels, objects: strings.Join(to.Policy.Objects, ", "), pool: to.Policy.Pool,
				}
				if to.Policy.Ejection != nil {
					p.ejection = to.Policy.Ejection.Written
				}
				if p.objects != "" && (p.ejection != nil || p.pool != nil) {
					all = append(all, p)
				}
			}
		}
	}
	return all
}

// isFor says whether a proxy is of the callers.
func (c clusterPolicy) isFor(p observe.Proxy) bool {
	for name, value := range c.labels {
		if p.Labels[name] != value {
			return false
		}
	}
	return !p.Gateway && p.Namespace == c.namespace
}

// envoyCluster is a cluster as a config_dump shows it, as far as policies go.
type envoyCluster struct {
	Name     string `json:"name"`
	Breakers struct {
		Thresholds []map[string]any `json:"thresholds"`
	} `json:"circuit_breakers"`
	Outliers map[string]any `json:"outlier_detection"`
}

// lacks says which of the written settings a cluster does not have. What is not
// written is the proxy's own business.
func (c clusterPolicy) lacks(cluster envoyCluster) string {
	var lacks []string
	want := func(field, written string, have any, found bool) {
		if has := plainly(have); !found {
			lacks = append(lacks, fmt.Sprintf("%s is %s, and it has none", field, written))
		} else if has != written && !sameTime(has, written) {
			lacks = append(lacks, fmt.Sprintf("%s is %s, and it has %s", field, written, has))
		}
	}
	outlier := func(field, name string, written any) {
		have, found := cluster.Outliers[name]
		want("outlierDetection."+field, fmt.Sprint(written), have, found)
	}
	if e := c.ejection; e != nil {
		if n := e.GetConsecutive_5XxErrors(); n != nil {
			outlier("consecutive5xxErrors", "consecutive_5xx", n.GetValue())
		}
		if n := e.GetConsecutiveGatewayErrors(); n != nil {
			outlier("consecutiveGatewayErrors", "consecutive_gateway_failure", n.GetValue())
		}
		if d := e.GetInterval(); d != nil {
			outlier("interval", "interval", d.AsDuration())
		}
		if d := e.GetBaseEjectionTime(); d != nil {
			outlier("baseEjectionTime", "base_ejection_time", d.AsDuration())
		}
		if n := e.GetMaxEjectionPercent(); n > 0 {
			outlier("maxEjectionPercent", "max_ejection_percent", n)
		}
	}
	limit := func(field, name string, written int32) {
		if written <= 0 {
			return
		}
		var have any
		found := len(cluster.Breakers.Thresholds) > 0
		if found {
			have, found = cluster.Breakers.Thresholds[0][name]
		}
		want("connectionPool."+field, fmt.Sprint(written), have, found)
	}
	limit("tcp.maxConnections", "max_connections", c.pool.GetTcp().GetMaxConnections())
	limit("http.http1MaxPendingRequests", "max_pending_requests", c.pool.GetHttp().GetHttp1MaxPendingRequests())
	limit("http.http2MaxRequests", "max_requests", c.pool.GetHttp().GetHttp2MaxRequests())
	limit("http.maxRetries", "max_retries", c.pool.GetHttp().GetMaxRetries())
	return strings.Join(lacks, ", ")
}

// plainly writes a JSON value, and numbers without an exponent.
func plainly(value any) string {
	if number, ok := value.(float64); ok {
		return strconv.FormatFloat(number, 'f', -1, 64)
	}
	return fmt.Sprint(value)
}

// sameTime says whether two texts are durations of the same length.
func sameTime(a, b string) bool {
	first, errA := time.ParseDuration(a)
	second, errB := time.ParseDuration(b)
	return errA == nil && errB == nil && first == second
}

// inForcePolicies waits until each observed caller has the policies of the calls
// that the experiment is about. A difference that stays, though istiod says that
// the proxy has all that there is for it, is another object's doing: it is told,
// and the run goes on. Where not every object could be read, differences are only
// told.
func (t *trial) inForcePolicies(ctx context.Context) {
	if len(t.policies) == 0 {
		return
	}
	budget := min(policyBudget, t.barrier)
	if t.unsure {
		budget = 0
	}
	defer t.watch.start("policies")()
	waiting, stop := context.WithTimeout(ctx, budget)
	defer stop()
	began, late := time.Now(), map[string]string{} // by "namespace/name"
	c := Convergence{}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(barrierWidth)
	for _, p := range t.proxies {
		mine := slices.DeleteFunc(slices.Clone(t.policies), func(c clusterPolicy) bool { return !c.isFor(p) })
		if len(mine) == 0 {
			continue
		}
		c.Proxies++
		group.Go(func() error {
			text := t.awaitPolicies(ctx, waiting, p, mine)
			mu.Lock()
			defer mu.Unlock()
			if text != "" {
				late[p.Namespace+"/"+p.Pod] = text
			}
			c.Max = max(c.Max, time.Since(began))
			return nil
		})
	}
	_ = group.Wait() // nobody returns an error
	if len(late) > 0 && ctx.Err() == nil {
		t.tellPolicies(ctx, &c, late)
	}
	t.report.Policies = c
}

// tellPolicies decides what becomes of differences.
func (t *trial) tellPolicies(ctx context.Context, c *Convergence, late map[string]string) {
	says, note := map[string]observe.Sync(nil), ""
	if !t.unsure {
		says, note = t.askIstiod(ctx)
	}
	for pod, text := range late {
		sync, known := says[pod]
		switch {
		case t.unsure, known && len(sync.Pending) == 0 && len(sync.Refused) == 0:
			t.tell("plan", fmt.Sprintf("warning: Pod %s: %s: does another object, such as an EnvoyFilter, change it?", pod, text))
		case known:
			c.Late = append(c.Late, fmt.Sprintf("Pod %s: %s; istiod says that %s", pod, text, sync))
		default:
			c.Late = append(c.Late, fmt.Sprintf("Pod %s: %s", pod, text))
		}
	}
	slices.Sort(c.Late)
	if note != "" && len(c.Late) > 0 {
		c.Late[len(c.Late)-1] += "; " + note
	}
}

// awaitPolicies returns what a proxy still lacks when waiting ends.
func (t *trial) awaitPolicies(ctx, waiting context.Context, p observe.Proxy, policies []clusterPolicy) string {
	for wait := barrierEvery; ; wait = min(wait*4/3, barrierMost) {
		text, err := t.lackedPolicy(ctx, p, policies)
		if err == nil && text == "" {
			return ""
		}
		if pause(waiting, wait) == nil {
			continue
		}
		if err != nil {
			return fmt.Sprintf("cannot be read: %v", err)
		}
		return text
	}
}

// lackedPolicy reads a proxy's clusters, and says the first difference. A cluster
// that the proxy does not have is none.
func (t *trial) lackedPolicy(ctx context.Context, p observe.Proxy, policies []clusterPolicy) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, barrierReading, errors.New("no answer"))
	defer cancel()
	var names []string
	for _, c := range policies {
		names = append(names, regexp.QuoteMeta(c.cluster))
	}
	dump, err := t.mesh.ConfigDump(ctx, p, "resource=dynamic_active_clusters&mask=cluster.name,cluster.outlier_detection,cluster.circuit_breakers"+
		"&name_regex="+url.QueryEscape(strings.Join(names, "|")))
	if err != nil {
		return "", err
	}
	configs, err := parseDump(dump)
	if err != nil {
		return "", err
	}
	for _, config := range configs {
		var cluster envoyCluster
		if err := json.Unmarshal(config.Cluster, &cluster); err != nil {
			return "", fmt.Errorf("config_dump: %w", err)
		}
		for _, c := range policies {
			if c.cluster != cluster.Name {
				continue
			}
			if text := c.lacks(cluster); text != "" {
				return fmt.Sprintf("of %s its cluster %s lacks something: %s", c.objects, c.cluster, text), nil
			}
		}
	}
	return "", nil
}
