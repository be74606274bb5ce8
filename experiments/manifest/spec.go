package manifest

import (
	"errors"
	"fmt"
	"time"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
)

// The wire types: what YAML holds, before it is checked.

type documentSpec struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata"`
	Spec       spec     `json:"spec"`
}

type metadata struct {
	Name        string            `json:"name"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type spec struct {
	Title       string        `json:"title"`
	Faults      []faultSpec   `json:"faults"`
	Load        loadSpec      `json:"load"`
	Gateway     string        `json:"gateway"`
	SteadyState []matcherSpec `json:"steadyState"`
	Healthy     []matcherSpec `json:"healthy"`
	During      []matcherSpec `json:"during"`
	Recovered   []matcherSpec `json:"recovered"`
	HaltWhen    []matcherSpec `json:"haltWhen"`
	BlastRadius blastSpec     `json:"blastRadius"`
	Settle      duration      `json:"settle"`
	Duration    duration      `json:"duration"`
	Recovery    duration      `json:"recovery"`
}

type faultSpec struct {
	On struct {
		Namespace string `json:"namespace"`
		Service   string `json:"service"`
		Port      int    `json:"port"`
		Subset    string `json:"subset"`
	} `json:"on"`
	Site       string `json:"site"`
	Pods       int    `json:"pods"`
	AllTraffic bool   `json:"allTraffic"`
	effects
}

type loadSpec struct {
	URL         string            `json:"url"`
	ConnectTo   string            `json:"connectTo"`
	Method      string            `json:"method"`
	Header      map[string]string `json:"header"`
	Body        string            `json:"body"`
	Rate        float64           `json:"rate"`
	Timeout     duration          `json:"timeout"`
	MaxInFlight int               `json:"maxInFlight"`
}

type blastSpec struct {
	Namespaces []string `json:"namespaces"`
	MaxPercent float64  `json:"maxPercent"`
	MaxPods    int      `json:"maxPods"`
	AllTraffic bool     `json:"allTraffic"`
}

// duration keeps what was written, to be judged where the field path is known.
type duration string

// UnmarshalJSON takes any scalar.
func (d *duration) UnmarshalJSON(data []byte) error {
	*d = duration(trimQuotes(string(data)))
	return nil
}

func (d duration) parse(path string) (time.Duration, error) {
	if d == "" {
		return 0, nil
	}
	parsed, err := time.ParseDuration(string(d))
	if err != nil {
		return 0, fmt.Errorf("%s: found %s, want a duration such as 10s or 200ms", path, d)
	}
	return parsed, nil
}

// experiment converts the wire form; every problem has its field path.
func (s spec) experiment() (experiments.Experiment, error) {
	e := experiments.Experiment{
		Title: s.Title, Gateway: s.Gateway,
		BlastRadius: injector.BlastRadius{
			Namespaces: s.BlastRadius.Namespaces, MaxPercent: s.BlastRadius.MaxPercent,
			MaxPods: s.BlastRadius.MaxPods, AllTraffic: s.BlastRadius.AllTraffic,
		},
		Load: loadgen.Load{
			URL: s.Load.URL, ConnectTo: s.Load.ConnectTo, Method: s.Load.Method, Header: s.Load.Header,
			Body: s.Load.Body, Rate: s.Load.Rate, MaxInFlight: s.Load.MaxInFlight,
		},
	}
	var errs []error
	for _, d := range []struct {
		path string
		from duration
		to   *time.Duration
	}{
		{"spec.settle", s.Settle, &e.Settle},
		{"spec.duration", s.Duration, &e.Duration},
		{"spec.recovery", s.Recovery, &e.Recovery},
		{"spec.load.timeout", s.Load.Timeout, &e.Load.Timeout},
	} {
		var err error
		*d.to, err = d.from.parse(d.path)
		errs = append(errs, err)
	}
	for i, f := range s.Faults {
		fault, err := f.fault(fmt.Sprintf("spec.faults[%d]", i))
		e.Faults, errs = append(e.Faults, fault), append(errs, err)
	}
	for _, list := range []struct {
		name string
		from []matcherSpec
		to   *[]experiments.Matcher
	}{
		{"steadyState", s.SteadyState, &e.SteadyState},
		{"healthy", s.Healthy, &e.Healthy},
		{"during", s.During, &e.During},
		{"recovered", s.Recovered, &e.Recovered},
		{"haltWhen", s.HaltWhen, &e.HaltWhen},
	} {
		for i, m := range list.from {
			matcher, err := m.matcher(fmt.Sprintf("spec.%s[%d]", list.name, i))
			*list.to, errs = append(*list.to, matcher), append(errs, err)
		}
	}
	return e, errors.Join(errs...)
}

func (f faultSpec) fault(path string) (injector.Fault, error) {
	fault := injector.Fault{
		On:   injector.Service{Namespace: f.On.Namespace, Name: f.On.Service, Port: f.On.Port, Subset: f.On.Subset},
		Pods: f.Pods, AllTraffic: f.AllTraffic,
	}
	var errs []error
	switch f.Site {
	case injector.Caller.String():
		fault.Site = injector.Caller
	case injector.Upstream.String():
		fault.Site = injector.Upstream
	default:
		errs = append(errs, fmt.Errorf("%s.site: found %q, want %q (in the callers' proxies: tests their code) or %q "+
			"(in the service's own proxies: tests timeouts, retries and ejection of the mesh)", path, f.Site, injector.Caller, injector.Upstream))
	}
	var err error
	fault.Effect, err = f.effect(path)
	return fault, errors.Join(append(errs, err)...)
}
