package manifest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
)

// The wire types: what YAML holds. A field's tag has its name and whether it
// must be there; the tag want replaces the type's own words for what it holds.

type document struct {
	APIVersion apiVersion `yaml:"apiVersion,required"`
	Kind       kind       `yaml:"kind,required"`
	Metadata   metadata   `yaml:"metadata"`
	Spec       spec       `yaml:"spec"`
}

type metadata struct {
	Name        text            `yaml:"name,required" want:"a short name for lists and files"`
	Labels      map[string]text `yaml:"labels"`
	Annotations map[string]text `yaml:"annotations"`
}

type spec struct {
	Title       text            `yaml:"title"`
	Faults      []fault         `yaml:"faults"`
	Load        load            `yaml:"load"`
	Gateway     text            `yaml:"gateway"`
	SteadyState []matchers      `yaml:"steadyState"`
	Healthy     []matchers      `yaml:"healthy"`
	During      []matchers      `yaml:"during"`
	Recovered   []matchers      `yaml:"recovered"`
	HaltWhen    []haltCondition `yaml:"haltWhen"`
	BlastRadius radius          `yaml:"blastRadius"`
	Settle      duration        `yaml:"settle"`
	Duration    duration        `yaml:"duration"`
	Recovery    duration        `yaml:"recovery"`
	StopEarly   flag            `yaml:"stopEarly"`
	Alpha       alpha           `yaml:"alpha"`
}

type fault struct {
	On   target   `yaml:"on"`
	Site siteName `yaml:"site,required"`
	effects
	Ramp        []percentage    `yaml:"ramp"`
	From        callers         `yaml:"from"`
	Headers     map[string]text `yaml:"headers"`
	AllTraffic  flag            `yaml:"allTraffic"`
	Pods        number          `yaml:"pods"`
	PodsPercent percentage      `yaml:"podsPercent"`
	PodNames    []text          `yaml:"podNames"`
}

type target struct {
	Namespace text `yaml:"namespace,required" want:"the namespace of the Service"`
	Service   text `yaml:"service"`
	Host      text `yaml:"host"`
	Port      port `yaml:"port"`
	Subset    text `yaml:"subset"`
}

type callers struct {
	Namespace text            `yaml:"namespace"`
	Labels    map[string]text `yaml:"labels"`
	Gateway   text            `yaml:"gateway"`
}

type load struct {
	URL         text            `yaml:"url,required" want:"the address that requests go to, such as http://shop.example/checkout"`
	ConnectTo   text            `yaml:"connectTo"`
	Method      text            `yaml:"method"`
	Header      map[string]text `yaml:"header"`
	Body        text            `yaml:"body"`
	Rate        perSecond       `yaml:"rate"`
	Timeout     duration        `yaml:"timeout"`
	MaxInFlight number          `yaml:"maxInFlight"`
}

type radius struct {
	Namespaces     []text     `yaml:"namespaces"`
	NamespaceLabel text       `yaml:"namespaceLabel"`
	MaxPercent     percentage `yaml:"maxPercent"`
	MaxPods        number     `yaml:"maxPods"`
	AllTraffic     flag       `yaml:"allTraffic"`
}

// experiment converts the wire form. What could not be read is zero or nil.
func (d document) experiment() experiments.Experiment {
	s := d.Spec
	e := experiments.Experiment{
		Name: string(d.Metadata.Name), Title: string(s.Title), Gateway: string(s.Gateway),
		Load:        s.Load.load(),
		SteadyState: matcherList(s.SteadyState),
		Healthy:     matcherList(s.Healthy),
		During:      matcherList(s.During),
		Recovered:   matcherList(s.Recovered),
		HaltWhen:    haltList(s.HaltWhen),
		BlastRadius: s.BlastRadius.blastRadius(),
		Settle:      time.Duration(s.Settle),
		Duration:    time.Duration(s.Duration),
		Recovery:    time.Duration(s.Recovery),
		StopEarly:   bool(s.StopEarly),
		Alpha:       float64(s.Alpha),
	}
	if e.Title == "" {
		e.Title = e.Name
	}
	for _, f := range s.Faults {
		e.Faults = append(e.Faults, f.fault())
	}
	return e
}

func (f fault) fault() injector.Fault {
	effect, _ := f.effect()
	var ramp []float64
	for _, percent := range f.Ramp {
		ramp = append(ramp, float64(percent))
	}
	return injector.Fault{
		On: injector.Service{
			Namespace: string(f.On.Namespace), Name: string(f.On.Service), Host: string(f.On.Host),
			Port: int(f.On.Port), Subset: string(f.On.Subset),
		},
		Effect: effect, Ramp: ramp, Site: injector.Site(f.Site),
		From: injector.Callers{
			Namespace: string(f.From.Namespace), Labels: textMap(f.From.Labels), Gateway: string(f.From.Gateway),
		},
		Headers: textMap(f.Headers), AllTraffic: bool(f.AllTraffic),
		Pods: int(f.Pods), PodsPercent: float64(f.PodsPercent), PodNames: textList(f.PodNames),
	}
}

func (l load) load() loadgen.Load {
	return loadgen.Load{
		URL: string(l.URL), ConnectTo: string(l.ConnectTo), Method: string(l.Method), Header: textMap(l.Header),
		Body: string(l.Body), Rate: float64(l.Rate), Timeout: time.Duration(l.Timeout), MaxInFlight: int(l.MaxInFlight),
	}
}

func (r radius) blastRadius() injector.BlastRadius {
	return injector.BlastRadius{
		Namespaces: textList(r.Namespaces), NamespaceLabel: string(r.NamespaceLabel),
		MaxPercent: float64(r.MaxPercent), MaxPods: int(r.MaxPods), AllTraffic: bool(r.AllTraffic),
	}
}

func matcherList(specs []matchers) []experiments.Matcher {
	var all []experiments.Matcher
	for _, s := range specs {
		all = append(all, s.matcher())
	}
	return all
}

func textList(texts []text) []string {
	var all []string
	for _, content := range texts {
		all = append(all, string(content))
	}
	return all
}

func textMap(texts map[string]text) map[string]string {
	if texts == nil {
		return nil
	}
	all := map[string]string{}
	for name, content := range texts {
		all[name] = string(content)
	}
	return all
}

// yamlPath says in the document's own names what the engine's checks call by
// those of Go.
func (d document) yamlPath(field string) string {
	for i, f := range d.Spec.Faults {
		prefix := fmt.Sprintf("faults[%d].", i)
		within, ofThis := strings.CutPrefix(field, prefix)
		own := within[:strings.IndexAny(within+".", ".[")]
		_, effect := f.effect()
		switch {
		case !ofThis:
		case within == "on.name":
			field = prefix + "on.service"
		case within == "effect":
			field = strings.TrimSuffix(prefix+effect, ".")
		case effect != "" && !slices.Contains(names(fieldsOf(reflect.ValueOf(&f).Elem())), own):
			field = prefix + effect + "." + within
		}
	}
	for i, h := range d.Spec.HaltWhen {
		prefix := fmt.Sprintf("haltWhen[%d].", i)
		if within, ofThis := strings.CutPrefix(field, prefix); ofThis && h.PromQL != nil && within != "window" {
			field = strings.TrimSuffix(prefix+"promql."+within, ".bound") // which has two names there
		}
	}
	return "spec." + field
}
