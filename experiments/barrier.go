package experiments

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

// Bounds of the barrier.
const (
	barrierEvery = 10 * time.Millisecond // between two looks at one proxy
	barrierWidth = 32                    // proxies looked at side by side
)

// sight is one thing that one proxy must show, or show no longer.
type sight struct {
	proxy   observe.Proxy
	query   string
	edit    injector.Edit
	service string // only if the proxy knows this service; empty: in any case
}

// await returns when every affected proxy shows the plan's faults (or, after a
// revert, shows them no longer), or ctx ends. Istio has no such barrier: only the
// proxies themselves know what is in force.
func (t *trial) await(ctx context.Context, present bool) Convergence {
	began := time.Now()
	proxies, err := t.everywhere(ctx) // anew: some may have been born during the run
	if err != nil {
		return Convergence{Late: []string{fmt.Sprintf("the proxies cannot be listed: %v", err)}}
	}
	var mu sync.Mutex
	var took []time.Duration
	var late []string
	var group errgroup.Group
	group.SetLimit(barrierWidth)
	for _, s := range sights(t.plan.Edits, t.experiment.Faults, proxies) {
		group.Go(func() error {
			affected, err := t.see(ctx, s, present)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				late = append(late, err.Error())
			case affected:
				took = append(took, time.Since(began))
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are in late
	slices.Sort(took)
	slices.Sort(late)
	c := Convergence{Proxies: len(took) + len(late), Late: late}
	if len(took) > 0 {
		c.P50, c.Max = took[len(took)/2], took[len(took)-1]
	}
	if present && c.Proxies == 0 {
		c.Late = []string{"no proxy knows the faulted services, so the fault can hit nobody; do their callers have a sidecar?"}
	}
	return c
}

// everywhere finds the proxies of all namespaces or, where those must not be
// listed, of the run's own; then a plan has noted it.
func (t *trial) everywhere(ctx context.Context) ([]observe.Proxy, error) {
	proxies, err := t.mesh.Proxies(ctx)
	if within := t.experiment.callers(); apierrors.IsForbidden(err) && len(within) > 0 {
		return t.mesh.Proxies(ctx, within...)
	}
	return proxies, err
}

// sights lists what may have to be seen where: in the proxies in which the edits
// make their faults. A Caller fault counts only where the service is known.
func sights(edits []injector.Edit, faults []injector.Fault, proxies []observe.Proxy) []sight {
	var all []sight
	for _, edit := range edits {
		on := faults[edit.Fault].On
		query := "resource=" + edit.Resource() // of the proxy's config_dump
		for _, p := range proxies {
			s := sight{proxy: p, query: query, edit: edit}
			if len(edit.Pods) == 0 {
				s.service = serviceName(on)
			}
			if edit.MadeIn(p.Namespace, p.Pod, p.Labels, p.Gateway) {
				all = append(all, s)
			}
		}
	}
	return all
}

// serviceName is how the clusters of proxies name what a fault is on.
func serviceName(on injector.Service) string {
	if on.Host != "" {
		return strings.ToLower(on.Host)
	}
	return on.Name + "." + on.Namespace
}

// see looks at one proxy until it shows what it should. A proxy that does not
// know the service is not affected.
func (t *trial) see(ctx context.Context, s sight, present bool) (affected bool, err error) {
	knows := s.service == "" || t.knew(s)
	for {
		var done bool
		if knows {
			done, err = t.shows(ctx, s, present)
		} else if knows, err = t.knows(ctx, s); err == nil && !knows {
			return false, nil
		} else if err == nil {
			continue
		}
		if done {
			return true, nil
		}
		if pause(ctx, barrierEvery) != nil {
			break
		}
	}
	if err != nil {
		return true, fmt.Errorf("%s cannot be read: %w", s.proxy, err)
	}
	return true, fmt.Errorf("%s %s %s", s.proxy, map[bool]string{true: "does not show", false: "still shows"}[present], s.edit.Marker)
}

// knew reports whether a proxy had a cluster for the service in the baseline; it
// saves a reading just when time counts.
func (t *trial) knew(s sight) bool {
	return slices.ContainsFunc(t.report.Baseline.Mesh.Proxies, func(state observe.ProxyState) bool {
		return state.Proxy.String() == s.proxy.String() && callsService(state, s.service)
	})
}

// knows reports whether a proxy has a cluster for the service.
func (t *trial) knows(ctx context.Context, s sight) (bool, error) {
	snapshot, err := t.mesh.Snapshot(ctx, []observe.Proxy{s.proxy})
	if err != nil {
		return false, err
	}
	return callsService(snapshot.Proxies[0], s.service), nil
}

func callsService(state observe.ProxyState, service string) bool {
	return slices.ContainsFunc(state.Hosts, func(h observe.Host) bool {
		return h.Cluster.Direction == "outbound" && h.Cluster.Serves(service)
	})
}

func (t *trial) shows(ctx context.Context, s sight, present bool) (bool, error) {
	dump, err := t.mesh.ConfigDump(ctx, s.proxy, s.query)
	if err != nil {
		return false, err
	}
	look := s.edit.ShownIn
	if !present {
		look = s.edit.LeftIn
	}
	shown, err := inForce(dump, look)
	return err == nil && shown == present, err
}

// inForce reports whether a config_dump shows something in force: in a route
// table, in a cluster, or in a listener that takes connections. A listener that
// only drains keeps the old filters for connections that are closing.
func inForce(dump []byte, shows func(config []byte) bool) (bool, error) {
	var content struct {
		Configs []struct {
			RouteConfig json.RawMessage `json:"route_config"`
			ActiveState json.RawMessage `json:"active_state"`
			Cluster     json.RawMessage `json:"cluster"`
		} `json:"configs"`
	}
	if err := json.Unmarshal(dump, &content); err != nil {
		return false, fmt.Errorf("config_dump: %w", err)
	}
	for _, c := range content.Configs {
		if shows(c.RouteConfig) || shows(c.ActiveState) || shows(c.Cluster) {
			return true, nil
		}
	}
	return false, nil
}
