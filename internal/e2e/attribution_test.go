package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
)

// Was it the sidecar or the code? Checkout leaves recommendations after 300 ms by
// itself; that payments times out and is tried again is its sidecar's doing.
func TestWhoGaveUpAndWhoTriedAgain(t *testing.T) {
	slow := injector.Delay{Fixed: 5 * time.Second, Percent: 100}
	for name, test := range map[string]struct {
		on       string
		site     injector.Site
		effect   injector.Effect
		mesh     func(timeouts, retries, requests int) bool
		app      func(timeouts, retries, requests int) bool
		describe string
	}{
		"slow payments": {
			on: "payments", site: injector.Upstream, effect: slow,
			mesh:     func(timeouts, retries, requests int) bool { return timeouts >= requests && retries > 0 },
			app:      none,
			describe: "every request times out at least once by the mesh, and is tried again by it",
		},
		"slow recommendations, upstream": {
			on: "recommendations", site: injector.Upstream, effect: slow, mesh: none,
			app:      func(timeouts, retries, requests int) bool { return timeouts == requests && retries == 0 },
			describe: "every request is left by the application",
		},
		"slow recommendations, at the caller": {
			on: "recommendations", site: injector.Caller, effect: slow, mesh: none,
			app:      func(timeouts, retries, requests int) bool { return timeouts == requests && retries == 0 },
			describe: "every request is left by the application",
		},
		"flaky payments": {
			on: "payments", site: injector.Upstream, effect: injector.Abort{HTTPStatus: 503, Percent: 20},
			mesh:     func(timeouts, retries, _ int) bool { return timeouts == 0 && retries > 0 },
			app:      none,
			describe: "some requests are tried again by the mesh, and none by the application",
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := inventoryDown(1500 * time.Millisecond)
			e.Title = name
			e.Faults = []injector.Fault{{On: injector.Service{Namespace: "shop", Name: test.on}, Site: test.site, Effect: test.effect}}
			e.SteadyState, e.Load.Rate, e.Recovery = e.SteadyState[:1], 40, time.Second
			report, err := newRunner(t).Run(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(report.Attribution, func(a experiments.Attribution) bool {
				return strings.HasPrefix(a.Service, test.on+".") && strings.HasPrefix(a.Caller, "Pod shop/checkout-")
			})
			if i < 0 {
				t.Fatalf("nothing is told of checkout and %s:\n%s", test.on, report)
			}
			a, requests := report.Attribution[i], report.During.Load.Requests()
			if unknown := a.Timeouts.Mesh.Unknown + a.Timeouts.App.Unknown + a.Retries.Mesh.Unknown + a.Retries.App.Unknown; unknown != "" {
				t.Errorf("not known: %s", unknown)
			}
			if !test.mesh(a.Timeouts.Mesh.N, a.Retries.Mesh.N, requests) || !test.app(a.Timeouts.App.N, a.Retries.App.N, requests) {
				t.Errorf("of %d requests %s, but:\n%s", requests, test.describe, report)
			}
			if s := report.Series.Between(report.During.Mesh.From, report.During.Mesh.To); len(s.Hosts) == 0 || len(s.Stats) != 0 {
				t.Errorf("series of the fault phase: %d hosts, %d stats; a default Istio exports none", len(s.Hosts), len(s.Stats))
			}
			noLeftovers(t)
		})
	}
}

func none(timeouts, retries, _ int) bool { return timeouts+retries == 0 }
