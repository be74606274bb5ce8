package assertions_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/loadgen"
	"github.com/faultline-mesh/faultline/observe"
)

// check is one use of a matcher and what gomega has to say to it.
type check struct {
	name    string
	actual  any
	matcher types.GomegaMatcher
	not     bool   // ToNot
	want    string // empty: nothing
	open    bool   // the text is that of a NoSamples
}

// run checks the text, and that the error, if any, is a NoSamples or is not.
func run(t *testing.T, checks []check) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			var said []string
			g := gomega.NewGomega(func(message string, _ ...int) { said = append(said, message) })
			if c.not {
				g.Expect(c.actual).NotTo(c.matcher)
			} else {
				g.Expect(c.actual).To(c.matcher)
			}
			var want []string
			if c.want != "" {
				want = []string{c.want}
			}
			if diff := cmp.Diff(want, said); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if _, err := c.matcher.Match(c.actual); isNoSamples(err) != c.open {
				t.Errorf("NoSamples is %t of %v", !c.open, err)
			}
		})
	}
}

func isNoSamples(err error) bool {
	var none assertions.NoSamples
	return errors.As(fmt.Errorf("steadyState[0]: %w", err), &none) && none.NoSamples()
}

// phase is a value that holds both, as a phase of a report does.
type phase struct {
	load loadgen.Result
	mesh observe.Change
}

func (p *phase) LoadResult() loadgen.Result { return p.load }
func (p *phase) MeshChange() observe.Change { return p.mesh }

// judged is a phase with an alpha of its own.
type judged struct {
	*phase
	alpha float64
}

func (j judged) Alpha() float64 { return j.alpha }

// load returns a result with the codes in turn, the latencies of which are 1,
// 2, 3 … milliseconds.
func load(n int, codes ...int) loadgen.Result {
	var r loadgen.Result
	for i := range n {
		r.Samples = append(r.Samples, loadgen.Sample{
			Seq:      uint64(i),
			Intended: begin.Add(time.Duration(i) * time.Millisecond),
			Latency:  time.Duration(i+1) * time.Millisecond,
			Code:     codes[i%len(codes)],
		})
	}
	return r
}

// slow is a result whose median is 499ms and whose p99 is 989ms.
func slow() loadgen.Result {
	r := load(1000, 200, 503)
	for i := range r.Samples {
		r.Samples[i].Latency -= time.Millisecond
	}
	return r
}

// begin and end are when the changes of the tests do.
var (
	begin = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	end   = begin.Add(time.Minute)
)

// change is what proxies saw of their hosts.
func change(proxies ...observe.ProxyState) observe.Change {
	return observe.Change{From: begin, To: end, Proxies: proxies}
}

// proxy is one proxy with its hosts.
func proxy(pod string, hosts ...observe.Host) observe.ProxyState {
	return observe.ProxyState{Proxy: observe.Proxy{Namespace: "shop", Pod: pod}, Hosts: hosts}
}

// host is number n of the payments, in a subset or in none.
func host(n int, subset string, requests, failed uint64) observe.Host {
	return observe.Host{
		Cluster: cluster("payments", subset), Address: fmt.Sprintf("10.0.0.%d:8080", n),
		Requests: requests, Success: requests - failed, Errors: failed,
	}
}

func cluster(service, subset string) observe.Cluster {
	return observe.Cluster{
		Direction: observe.Outbound, Port: 80, Subset: subset, Service: service + ".shop.svc.cluster.local",
	}
}

// ejection is of number n of the payments, after so much of the change; back
// is when it was readmitted, or 0.
func ejection(n int, after, back time.Duration, failed uint64) observe.Ejection {
	e := observe.Ejection{
		Cluster: cluster("payments", ""), Address: fmt.Sprintf("10.0.0.%d:8080", n),
		At: begin.Add(after), Errors: failed,
	}
	if back > 0 {
		e.ReadmittedAt = begin.Add(back)
	}
	return e
}

// with returns c with the ejections.
func with(c observe.Change, ejections ...observe.Ejection) observe.Change {
	c.Ejections = ejections
	return c
}
