package injector

import (
	"strings"
	"testing"
	"time"
)

// setAt sets a value deep in an object, through lists too.
func setAt(tb testing.TB, o any, value any, path ...any) {
	tb.Helper()
	for _, step := range path[:len(path)-1] {
		switch step := step.(type) {
		case string:
			o = o.(object)[step]
		case int:
			o = o.([]any)[step]
		}
	}
	switch last := path[len(path)-1].(type) {
	case string:
		o.(object)[last] = value
	case int:
		o.([]any)[last] = value
	}
}

// TestLimitsBiteAtTheWrite alters a plan, or the world, after it was made within
// its limits: what would be written is judged as it is, and is not written.
func TestLimitsBiteAtTheWrite(t *testing.T) {
	const namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {faultline.dev/allowed: 'true'}}\n"
	optIn := BlastRadius{NamespaceLabel: "faultline.dev/allowed=true"}
	byHeaders := callerFault
	byHeaders.Headers = map[string]string{"x-tester": "ada"}
	widely := upstreamFault
	widely.Pods = 0
	tests := map[string]struct {
		fault  Fault
		limits BlastRadius
		alter  func(c *cluster, plan *Plan)
		want   string // "" when it is written
	}{
		"nothing is altered":                 {fault: callerFault},
		"nothing is altered, by headers":     {fault: byHeaders},
		"nothing is altered, on pods":        {fault: widely, limits: BlastRadius{MaxPods: 3, MaxPercent: 100}},
		"nothing is altered, with the label": {fault: callerFault, limits: optIn},
		"all traffic is allowed and meant":   {fault: Fault{On: onPayments, Site: Caller, Effect: Abort{HTTPStatus: 503, Percent: 100}, AllTraffic: true}, limits: BlastRadius{AllTraffic: true}},
		"all traffic was allowed, and is not": {
			fault: Fault{On: onPayments, Site: Caller, Effect: Abort{HTTPStatus: 503, Percent: 100}, AllTraffic: true}, limits: BlastRadius{AllTraffic: true},
			alter: func(_ *cluster, plan *Plan) { plan.Limits.AllTraffic = false },
			want:  "it would hit requests that are not the run's own, which needs blastRadius.allTraffic",
		},
		"a match lost its condition": {
			fault: callerFault,
			alter: func(c *cluster, plan *Plan) {
				setAt(c.t, plan.Edits[0].After.Object, object{"uri": object{"prefix": "/"}}, "spec", "http", 0, "match", 1)
			},
			want: "it would hit requests that are not the run's own",
		},
		"a route lost its matches": {
			fault: callerFault,
			alter: func(c *cluster, plan *Plan) {
				setAt(c.t, plan.Edits[0].After.Object, []any{}, "spec", "http", 0, "match")
			},
			want: "it would hit requests that are not the run's own",
		},
		"a match asks for another run": {
			fault: callerFault,
			alter: func(c *cluster, plan *Plan) {
				setAt(c.t, plan.Edits[0].After.Object, object{HeaderRun: object{"exact": "beef"}}, "spec", "http", 0, "match", 0, "headers")
			},
			want: "it would hit requests that are not the run's own",
		},
		"a header of the fault has another value": {
			fault: byHeaders,
			alter: func(c *cluster, plan *Plan) {
				setAt(c.t, plan.Edits[0].After.Object, object{"x-tester": object{"exact": "bob"}}, "spec", "http", 0, "match", 0, "headers")
			},
			want: "it would hit requests that are not the run's own",
		},
		"a filter lost its condition": {
			fault: upstreamFault,
			alter: func(c *cluster, plan *Plan) {
				setAt(c.t, plan.Edits[0].After.Object, []any{}, "spec", "configPatches", 0, "patch", "value", "typed_config", "headers")
			},
			want: "it would hit requests that are not the run's own",
		},
		"a filter's condition is turned round": {
			fault: upstreamFault,
			alter: func(c *cluster, plan *Plan) {
				setAt(c.t, plan.Edits[0].After.Object, true,
					"spec", "configPatches", 0, "patch", "value", "typed_config", "headers", 0, "invert_match")
			},
			want: "it would hit requests that are not the run's own",
		},
		"the percent allowed is lower": {
			fault: callerFault,
			alter: func(_ *cluster, plan *Plan) { plan.Limits.MaxPercent = 50 },
			want:  "100 percent are above blastRadius.maxPercent 50",
		},
		"a route hits more": {
			fault: Fault{On: onPayments, Site: Caller, Effect: Abort{HTTPStatus: 503, Percent: 5}}, limits: BlastRadius{MaxPercent: 10},
			alter: func(c *cluster, plan *Plan) {
				setAt(c.t, plan.Edits[0].After.Object, int64(50), "spec", "http", 0, "fault", "abort", "percentage", "value")
			},
			want: "50 percent, where 5 were planned, are above blastRadius.maxPercent 10",
		},
		"a filter hits more": {
			fault: Fault{On: onPayments, Site: Upstream, Effect: Delay{time.Second, 5}}, limits: BlastRadius{MaxPercent: 10},
			alter: func(c *cluster, plan *Plan) {
				setAt(c.t, plan.Edits[0].After.Object, int64(500_000),
					"spec", "configPatches", 0, "patch", "value", "typed_config", "delay", "percentage", "numerator")
			},
			want: "50 percent, where 5 were planned, are above blastRadius.maxPercent 10",
		},
		"fewer pods are allowed": {
			fault: widely,
			alter: func(_ *cluster, plan *Plan) { plan.Limits.MaxPods = 2 },
			want:  "3 pods with a fault are above blastRadius.maxPods 2",
		},
		"more pods are hit": {
			fault: upstreamFault, limits: BlastRadius{MaxPods: 1},
			alter: func(c *cluster, plan *Plan) {
				setAt(c.t, plan.Edits[0].After.Object, object{"NAME": "payments-z"}, "spec", "configPatches", 1, "match", "proxy", "metadata")
			},
			want: "2 pods with a fault are above blastRadius.maxPods 1",
		},
		"other namespaces are allowed": {
			fault: callerFault,
			alter: func(_ *cluster, plan *Plan) { plan.Limits.Namespaces = []string{"web"} },
			want:  `namespace "shop" is outside blastRadius.namespaces ["web"]`,
		},
		"it goes to another namespace": {
			fault: upstreamFault,
			alter: func(_ *cluster, plan *Plan) { plan.Edits[0].After.SetNamespace("kube-system") },
			want:  `the plan says EnvoyFilter shop/faultline.7f3a, and would write EnvoyFilter kube-system/faultline.7f3a`,
		},
		"all of it goes to the mesh's own": {
			fault: upstreamFault,
			alter: func(_ *cluster, plan *Plan) {
				plan.Limits.Namespaces = nil
				plan.Edits[0].After.SetNamespace("mesh-root")
				plan.Edits[0].Ref.Namespace = "mesh-root"
			},
			want: `namespace "mesh-root" is never faulted: the mesh itself depends on it`,
		},
		"its host is everything": {
			fault: callerFault,
			alter: func(c *cluster, plan *Plan) {
				setAt(c.t, plan.Edits[0].After.Object, []any{"*"}, "spec", "hosts")
			},
			want: `its host "*" stands for everything`,
		},
		"the namespace opted out": {
			fault: callerFault, limits: optIn,
			alter: func(c *cluster, _ *Plan) {
				obj := decodeOne(c.t, strings.Replace(namespace, "'true'", "'false'", 1))
				if err := c.Tracker().Update(kubeNamespaces, obj, ""); err != nil {
					c.t.Error(err)
				}
			},
			want: `namespace "shop" lacks the label faultline.dev/allowed=true that blastRadius.namespaceLabel asks for`,
		},
		"the namespace cannot be read": {
			fault: callerFault, limits: optIn,
			alter: func(c *cluster, _ *Plan) {
				c.before = func(verb, _, name string) error {
					if verb == "get" && name == "shop" {
						return errLost
					}
					return nil
				}
			},
			want: "blastRadius.namespaceLabel: get Namespace shop: connection reset by peer",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, payments, paymentsRoutes, namespace)
			in, err := NewForClient(c, WithBy(testBy), WithRootNamespace("mesh-root"))
			if err != nil {
				t.Fatal(err)
			}
			plan, err := in.Plan(t.Context(), testRun, []Fault{test.fault}, test.limits, in.Now().Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			if test.alter != nil {
				test.alter(c, &plan)
			}
			injection, err := in.Inject(t.Context(), plan)
			switch {
			case test.want == "" && (err != nil || len(c.writes) != len(plan.Edits)):
				t.Errorf("%v, writes %q", err, c.writes)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%v\nwant %s", err, test.want)
			case test.want != "" && (len(c.writes) > 0 || len(injection.Edits()) > 0):
				t.Errorf("writes %q, edits %v", c.writes, injection.Edits())
			}
		})
	}
}
