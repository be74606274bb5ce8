package experiments

import (
	"errors"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
)

// valid is an experiment in which nothing is wrong.
func valid() Experiment {
	return Experiment{
		Title:       "checkout answers while inventory is down",
		Faults:      []injector.Fault{callerFault},
		Load:        loadgen.Load{URL: "http://shop.example/checkout"},
		SteadyState: []Matcher{says{ok: true}},
	}
}

func TestValidate(t *testing.T) {
	const empty = "steadyState: is empty, and so are healthy, during and recovered; an experiment needs something to judge"
	tests := []struct {
		name   string
		change func(*Experiment)
		want   []string
	}{
		{"nothing wrong", func(*Experiment) {}, nil},
		{"no fault is needed", func(e *Experiment) { e.Faults = nil }, nil},
		{"no fault, and only During to judge", func(e *Experiment) { e.Faults, e.During, e.SteadyState = nil, e.SteadyState, nil }, nil},
		{"Healthy is enough of a baseline", func(e *Experiment) { e.Healthy, e.SteadyState = e.SteadyState, nil }, nil},
		{"a gateway", func(e *Experiment) { e.Gateway = ingress }, nil},
		{
			"without faults the blast radius bounds nothing",
			func(e *Experiment) { e.Faults, e.BlastRadius.Namespaces = nil, []string{"istio-system"} }, nil,
		},
		{"a title of blanks", func(e *Experiment) { e.Title = " " }, []string{"title: is missing"}},
		{"nothing to judge", func(e *Experiment) { e.SteadyState = nil }, []string{empty}},
		{
			"nothing to judge the baseline by", func(e *Experiment) { e.SteadyState, e.During = nil, e.SteadyState },
			[]string{"steadyState: is empty, and so is healthy; without them nobody knows that the baseline was good"},
		},
		{
			"matchers that are nil", func(e *Experiment) {
				e.SteadyState, e.Healthy = append(e.SteadyState, nil), []Matcher{nil}
				e.During, e.Recovered, e.HaltWhen = []Matcher{nil}, []Matcher{nil}, []Matcher{nil}
			},
			[]string{
				"steadyState[1]: is nil, want a matcher", "healthy[0]: is nil, want a matcher", "during[0]: is nil, want a matcher",
				"recovered[0]: is nil, want a matcher", "haltWhen[0]: is nil, want a matcher",
			},
		},
		{"an alpha", func(e *Experiment) { e.Alpha = 0.05 }, nil},
		{
			"an alpha that lets too much pass", func(e *Experiment) { e.Alpha = 0.051 },
			[]string{"alpha: 0.051 is no share of wrong answers, want one above 0 and up to 0.05, such as 1e-6"},
		},
		{
			"a negative alpha", func(e *Experiment) { e.Alpha = -1e-6 },
			[]string{"alpha: -1e-06 is no share of wrong answers, want one above 0 and up to 0.05, such as 1e-6"},
		},
		{
			"an alpha that is no number", func(e *Experiment) { e.Alpha = math.NaN() },
			[]string{"alpha: NaN is no share of wrong answers, want one above 0 and up to 0.05, such as 1e-6"},
		},
		{
			"phases that run backwards", func(e *Experiment) { e.Settle, e.Duration, e.Recovery = -time.Second, -time.Minute, -1 },
			[]string{
				"settle: -1s is negative, want a positive duration such as 10s",
				"duration: -1m0s is negative, want a positive duration such as 10s",
				"recovery: -1ns is negative, want a positive duration such as 10s",
			},
		},
		{
			"a load with a length of its own", func(e *Experiment) { e.Load.Duration = -time.Second },
			[]string{"load.duration: found -1s; the phases of the experiment decide how long load runs"},
		},
		{
			"a load that cannot be sent", func(e *Experiment) { e.Load = loadgen.Load{Rate: -1} },
			[]string{
				"load.url: is required, as in http://shop.example/checkout",
				"load.rate: -1 is not a positive number of requests per second",
			},
		},
		{
			"the run's header", func(e *Experiment) { e.Load.Header = map[string]string{"X-FAULTLINE-Run": "mine"} },
			[]string{"load.header: X-FAULTLINE-Run is the run's own, which puts requests into it; leave it out"},
		},
		{
			"a gateway without a namespace", func(e *Experiment) { e.Gateway = "gateway" },
			[]string{`gateway: found "gateway", want "namespace/name" of a Service`},
		},
		{"a gateway without a name", func(e *Experiment) { e.Gateway = "a/" }, []string{`gateway: found "a/", want "namespace/name" of a Service`}},
		{"a gateway with too much", func(e *Experiment) { e.Gateway = "a/b/c" }, []string{`gateway: found "a/b/c", want "namespace/name" of a Service`}},
		{
			"two ways into the mesh", func(e *Experiment) { e.Gateway, e.Load.ConnectTo = ingress, "127.0.0.1:80" },
			[]string{`gateway: found "` + ingress + `", but load.connectTo is set, too, and says 127.0.0.1:80; want one of them`},
		},
		{
			"faults", func(e *Experiment) {
				e.Faults = []injector.Fault{{}, {On: onPayments, Site: injector.Caller, Effect: injector.Delay{Fixed: -1, Percent: 101}}}
			},
			[]string{
				"faults[0].on.namespace: is missing", "faults[0].on.name: is missing, and so is host: a Service's name or a ServiceEntry's host is needed",
				"faults[0].site: no site: say Caller or Upstream, it decides what the fault can test", "faults[0].effect: is missing",
				"faults[1].fixed: -1ns is not a positive duration", "faults[1].percent: 101 is not above 0 and up to 100",
			},
		},
		{
			"the blast radius", func(e *Experiment) { e.BlastRadius = injector.BlastRadius{MaxPercent: 50, MaxPods: -1} },
			[]string{"blastRadius.maxPods: -1 is negative", "faults[0].percent: 100 is above blastRadius.maxPercent 50"},
		},
		{
			"everything at once", func(e *Experiment) {
				*e = Experiment{Settle: -1, Gateway: "x", Faults: []injector.Fault{{On: onPayments, Site: injector.Caller}}}
			},
			[]string{
				"title: is missing", empty, "settle: -1ns is negative, want a positive duration such as 10s",
				"load.url: is required, as in http://shop.example/checkout", `gateway: found "x", want "namespace/name" of a Service`,
				"faults[0].effect: is missing",
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := valid()
			test.change(&e)
			err := e.Validate()
			got := ""
			if err != nil {
				got = err.Error()
			}
			if want := strings.Join(test.want, "\n"); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestWithDefaults(t *testing.T) {
	e := Experiment{Title: "t"}
	got := e.withDefaults()
	if got.Name != "t" || got.Settle != DefaultSettle || got.Duration != DefaultDuration || got.Recovery != DefaultRecovery {
		t.Errorf("got %+v", got)
	}
	if e.Name != "" || e.Settle != 0 {
		t.Errorf("the experiment was changed: %+v", e)
	}
	e = Experiment{Name: "n", Title: "t", Settle: 1, Duration: 2, Recovery: 3}
	if got := e.withDefaults(); got.Name != "n" || got.Settle != 1 || got.Duration != 2 || got.Recovery != 3 {
		t.Errorf("what was set is replaced: %+v", got)
	}
	if got := (Experiment{Settle: -1}).withDefaults(); got.Settle != -1 {
		t.Errorf("what is wrong is replaced: %s", got.Settle)
	}
}

func TestPrefixed(t *testing.T) {
	a, b := errors.New("url: is required"), errors.New("rate: is negative")
	tests := []struct {
		err  error
		want string
	}{
		{a, "load.url: is required"},
		{errors.Join(a, b), "load.url: is required\nload.rate: is negative"},
	}
	for _, test := range tests {
		got := prefixed("load.", test.err)
		if got.Error() != test.want || !errors.Is(got, a) {
			t.Errorf("got %q, want %q, with its cause", got, test.want)
		}
	}
}

func TestRunHeader(t *testing.T) {
	tests := []struct {
		name         string
		header, want map[string]string
	}{
		{"none", nil, map[string]string{"x-faultline-run": "7f3a", "baggage": "faultline-run=7f3a"}},
		{
			"others",
			map[string]string{"Host": "shop.example", "end-user": "jason"},
			map[string]string{"Host": "shop.example", "end-user": "jason", "x-faultline-run": "7f3a", "baggage": "faultline-run=7f3a"},
		},
		{
			"the user's own baggage",
			map[string]string{"baggage": "user=jason;p=1,team=shop"},
			map[string]string{"x-faultline-run": "7f3a", "baggage": "user=jason;p=1,team=shop,faultline-run=7f3a"},
		},
		{
			"written in another way",
			map[string]string{"Baggage": "user=jason"},
			map[string]string{"x-faultline-run": "7f3a", "baggage": "user=jason,faultline-run=7f3a"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := maps.Clone(test.header)
			if got := runHeader(test.header, "7f3a"); !maps.Equal(got, test.want) {
				t.Errorf("got %v\nwant %v", got, test.want)
			}
			if !maps.Equal(test.header, before) {
				t.Errorf("the experiment's header was changed to %v", test.header)
			}
		})
	}
}

// What Run and Plan say of a wrong experiment can be told from what a cluster
// says.
func TestInputError(t *testing.T) {
	cause := errors.New("title: is missing")
	var err error = &InputError{cause}
	if err.Error() != "title: is missing" || !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	var input *InputError
	runner := &Runner{}
	if _, err := runner.Run(t.Context(), Experiment{}); !errors.As(err, &input) || !strings.HasPrefix(err.Error(), `experiment "": title: is missing`) {
		t.Errorf("Run says %v", err)
	}
	if _, err := runner.Plan(t.Context(), Experiment{}); !errors.As(err, &input) {
		t.Errorf("Plan says %v", err)
	}
}
