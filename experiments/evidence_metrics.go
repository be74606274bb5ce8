package experiments

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

// meter reads the request metrics of the observed proxies. Only Istio's own have
// any; one that cannot be read says nothing.
func (t *trial) meter(ctx context.Context) map[string]observe.Requests {
	all := map[string]observe.Requests{}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(barrierWidth)
	for _, p := range t.proxies {
		group.Go(func() error {
			requests, err := t.mesh.Requests(ctx, p)
			if err != nil {
				t.log.Warn("no request metrics", "error", err)
			}
			if len(requests) > 0 {
				mu.Lock()
				defer mu.Unlock()
				all[p.String()] = requests
			}
			return nil
		})
	}
	_ = group.Wait() // who cannot be read is left out
	return all
}

// metering runs body and keeps what Istio's proxies counted meanwhile.
func (t *trial) metering(ctx context.Context, body func() error) error {
	if len(t.plan.Edits) == 0 {
		return body()
	}
	before := t.meter(ctx)
	if err := body(); err != nil || len(before) == 0 || haltOf(ctx) != nil { // a revert must not wait
		return err
	}
	t.metered = map[string]observe.Requests{}
	for proxy, requests := range t.meter(ctx) {
		if base, known := before[proxy]; known {
			t.metered[proxy] = requests.Since(base)
		}
	}
	return nil
}

// flagsToward returns what became of the requests to a service, by Envoy's
// response flags, as the proxies that sent them counted; nil where none counts.
func flagsToward(on injector.Service, metered map[string]observe.Requests) map[string]int {
	if len(metered) == 0 {
		return nil
	}
	flags := map[string]int{}
	for _, requests := range metered {
		for flag, n := range requests.Flags(func(s observe.RequestSeries) bool {
			cluster := observe.Cluster{Direction: observe.Outbound, Service: s.Service}
			return s.Reporter == observe.ReportedBySource && cluster.Serves(serviceName(on))
		}) {
			flags[flag] += n
		}
	}
	return flags
}
