package manifest

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
)

// effects are the kinds of failure, of which a fault names one. Each is a
// pointer to a type that has a method effect.
type effects struct {
	Delay     *delay     `yaml:"delay"`
	Delays    *delays    `yaml:"delays"`
	Abort     *abort     `yaml:"abort"`
	Blackhole *blackhole `yaml:"blackhole"`
	Without   *without   `yaml:"without"`
}

type delay struct {
	Fixed   duration   `yaml:"fixed,required"`
	Percent percentage `yaml:"percent,required"` // of 0, Istio would inject nothing, and nobody would notice
}

type delays struct {
	Steps []delayStep `yaml:"steps,required" want:"a list of delays, each with fixed and percent"`
}

type delayStep struct {
	Fixed   duration   `yaml:"fixed,required"`
	Percent percentage `yaml:"percent,required"`
}

type abort struct {
	HTTPStatus *mockStatus `yaml:"httpStatus"`
	GRPCStatus *grpcStatus `yaml:"grpcStatus"`
	Percent    percentage  `yaml:"percent,required"`
}

type blackhole struct {
	Percent percentage `yaml:"percent,required"`
}

type without struct {
	Policy policyName `yaml:"policy,required"`
}

func (d delay) effect() injector.Effect {
	return injector.Delay{Fixed: time.Duration(d.Fixed), Percent: float64(d.Percent)}
}

func (d delays) effect() injector.Effect {
	var effect injector.Delays
	for _, s := range d.Steps {
		effect.Steps = append(effect.Steps, injector.DelayStep{Fixed: time.Duration(s.Fixed), Percent: float64(s.Percent)})
	}
	return effect
}

func (a abort) effect() injector.Effect {
	effect := injector.Abort{Percent: float64(a.Percent)}
	if a.HTTPStatus != nil {
		effect.HTTPStatus = int(*a.HTTPStatus)
	}
	if a.GRPCStatus != nil {
		effect.GRPCStatus = string(*a.GRPCStatus)
	}
	return effect
}

func (a abort) check() string {
	switch {
	case a.HTTPStatus != nil && a.GRPCStatus != nil:
		return "found httpStatus and grpcStatus, want one of them; write two faults for both"
	case a.HTTPStatus == nil && a.GRPCStatus == nil:
		return "names none of httpStatus, grpcStatus; want one"
	}
	return ""
}

func (b blackhole) effect() injector.Effect {
	return injector.Blackhole{Percent: float64(b.Percent)}
}

func (w without) effect() injector.Effect {
	return injector.Without{Policy: injector.Policy(w.Policy)}
}

func (e effects) check() string {
	return wantOne(e, "; write two faults for both")
}

// effect returns the effect that is named and its name, if there is one.
func (e effects) effect() (injector.Effect, string) {
	if names, one := chosen(e); len(names) == 1 {
		return one.(interface{ effect() injector.Effect }).effect(), names[0]
	}
	return nil, ""
}

// matchers are the matchers of package assertions, of which a list item names
// one. Each is a pointer to a type that has a method matcher.
type matchers struct {
	SuccessRate *successRate `yaml:"successRate"`
	Latency     *latency     `yaml:"latency"`
	Status      *status      `yaml:"status"`
	Tries       *tries       `yaml:"tries"`
	Ejected     *ejected     `yaml:"ejected"`
	Readmitted  *readmitted  `yaml:"readmitted"`
	TimedOut    *timedOut    `yaml:"timedOut"`
	Delayed     *delayed     `yaml:"delayed"`
	Split       *split       `yaml:"split"`
}

type successRate struct {
	bound[share, float64]
}

type latency struct {
	Quantile share `yaml:"quantile,required" want:"a quantile from 0 to 1, such as 0.99 for p99"`
	bound[duration, time.Duration]
}

type status struct {
	Code seenStatus `yaml:"code,required"`
	bound[share, float64]
}

type tries struct {
	Service text `yaml:"service,required" want:"the name of a Service"`
	bound[ratio, float64]
}

type ejected struct {
	Service text `yaml:"service,required" want:"the name of a Service"`
	bound[count, int]
}

type readmitted struct {
	Service text `yaml:"service,required" want:"the name of a Service"`
}

type timedOut struct {
	Within duration `yaml:"within,required"`
}

type delayed struct {
	By    duration `yaml:"by,required"`
	Share share    `yaml:"share,required"`
}

type split struct {
	Service text  `yaml:"service,required" want:"the name of a Service"`
	Subset  text  `yaml:"subset,required" want:"the name of a subset of its DestinationRule"`
	Share   share `yaml:"share,required"`
}

func (s successRate) matcher() experiments.Matcher { return assertions.HaveSuccessRate(s.limit()) }

func (l latency) matcher() experiments.Matcher {
	return assertions.HaveLatency(assertions.Quantile(l.Quantile), l.limit())
}

func (s status) matcher() experiments.Matcher { return assertions.HaveStatus(int(s.Code), s.limit()) }

func (t tries) matcher() experiments.Matcher {
	return assertions.HaveTries(string(t.Service), t.limit())
}

func (e ejected) matcher() experiments.Matcher {
	return assertions.HaveEjected(string(e.Service), e.limit())
}

func (r readmitted) matcher() experiments.Matcher {
	return assertions.HaveReadmitted(string(r.Service))
}

func (t timedOut) matcher() experiments.Matcher {
	return assertions.HaveTimedOut(time.Duration(t.Within))
}

func (d delayed) matcher() experiments.Matcher {
	return assertions.HaveDelayed(time.Duration(d.By), float64(d.Share))
}

func (s split) matcher() experiments.Matcher {
	return assertions.HaveSplit(string(s.Service), string(s.Subset), float64(s.Share))
}

func (m matchers) check() string {
	return wantOne(m, "; write two list items for both")
}

// matcher returns the matcher that is named, if there is one.
func (m matchers) matcher() experiments.Matcher {
	if names, one := chosen(m); len(names) == 1 {
		return one.(interface{ matcher() experiments.Matcher }).matcher()
	}
	return nil
}

// bound is a limit on one side: T as it is written, L as assertions take it.
type bound[T ~int | ~int64 | ~float64, L assertions.Limit] struct {
	AtLeast *T `yaml:"atLeast"`
	AtMost  *T `yaml:"atMost"`
}

func (b bound[T, L]) check() string {
	switch {
	case b.AtLeast != nil && b.AtMost != nil:
		return "found atLeast and atMost, want one of them; write two list items for both"
	case b.AtLeast == nil && b.AtMost == nil:
		return "has no bound, want atLeast or atMost"
	}
	return ""
}

func (b bound[T, L]) limit() any {
	switch {
	case b.AtLeast != nil:
		return assertions.AtLeast(L(*b.AtLeast))
	case b.AtMost != nil:
		return assertions.AtMost(L(*b.AtMost))
	}
	return nil
}

// chosen returns the names of those pointers in a struct that are set, and the
// last of them.
func chosen(kinds any) (names []string, one any) {
	for _, f := range fieldsOf(reflect.ValueOf(kinds)) {
		if f.value.Kind() == reflect.Pointer && !f.value.IsNil() {
			names, one = append(names, f.name), f.value.Interface()
		}
	}
	return names, one
}

// wantOne says what is wrong unless exactly one field is set.
func wantOne(kinds any, advice string) string {
	names, _ := chosen(kinds)
	switch len(names) {
	case 0:
		var known []string
		for _, f := range fieldsOf(reflect.ValueOf(kinds)) {
			if f.value.Kind() == reflect.Pointer {
				known = append(known, f.name)
			}
		}
		return fmt.Sprintf("names none of %s; want one", strings.Join(known, ", "))
	case 1:
		return ""
	}
	return fmt.Sprintf("found %s, want one of them%s", strings.Join(names, " and "), advice)
}
