package e2e

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
)

// interrupting cancels a run around its nth write.
type interrupting struct {
	next   http.RoundTripper
	writes *atomic.Int64
	nth    int64
	when   string
	cancel context.CancelFunc
}

func (i interrupting) RoundTrip(q *http.Request) (*http.Response, error) {
	ours := strings.Contains(q.URL.Path, "istio.io") || strings.Contains(q.URL.Path, "/leases")
	if q.Method == http.MethodGet || !ours || i.writes.Add(1) != i.nth {
		return i.next.RoundTrip(q)
	}
	switch i.when {
	case "before":
		i.cancel()
		return i.next.RoundTrip(q)
	case "in": // it arrives, and its answer does not
		response, err := i.next.RoundTrip(q.Clone(context.WithoutCancel(q.Context())))
		i.cancel()
		if err == nil {
			_ = response.Body.Close()
		}
		return nil, errors.Join(context.Canceled, err)
	default:
		defer i.cancel()
		return i.next.RoundTrip(q)
	}
}

// The context ends before, in or after each write of a run: nothing is left.
func TestCancelledAroundEachWrite(t *testing.T) {
	e := inventoryDown(200 * time.Millisecond)
	e.Settle, e.Recovery = 100*time.Millisecond, 100*time.Millisecond
	e.Faults = append(e.Faults, injector.Fault{
		On: injector.Service{Namespace: "shop", Name: "payments"}, Site: injector.Upstream,
		Effect: injector.Delay{Fixed: 10 * time.Millisecond, Percent: 100},
	})
	const enough = 50
	interrupted := 0
	for _, when := range []string{"before", "in", "after"} {
		for nth := int64(1); nth < enough; nth++ {
			ctx, cancel := context.WithCancel(t.Context())
			var writes atomic.Int64
			config := rest.CopyConfig(cluster)
			config.Wrap(func(next http.RoundTripper) http.RoundTripper { return interrupting{next, &writes, nth, when, cancel} })
			runner, err := experiments.NewRunner(config)
			if err != nil {
				t.Fatal(err)
			}
			report, err := runner.Run(ctx, e)
			cancel()
			noLeftovers(t)
			if err != nil || report == nil || !report.Clean {
				t.Errorf("%s write %d: %v\n%s", when, nth, err, report)
			}
			if t.Failed() {
				t.Fatalf("%s write %d of %d", when, nth, writes.Load())
			}
			if writes.Load() < nth {
				break // it has no more writes than that
			}
			interrupted++
		}
	}
	if interrupted < 3*6 { // a Lease, two objects, and the same back
		t.Errorf("interrupted %d writes only", interrupted)
	}
	t.Logf("interrupted around %d writes", interrupted)
}
