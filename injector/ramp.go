package injector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Step returns the fault as it is in the n-th step of its ramp, from 0. After
// the ramp, and without one, it is what the effect says.
func (f Fault) Step(n int) Fault {
	effect, rises := f.Effect.(ramped)
	if rises && n >= 0 && n < len(f.Ramp) {
		f.Effect = effect.withPercent(f.Ramp[n])
	}
	f.Ramp = nil
	return f
}

// refuseRamp reports what is wrong with the ramp of a fault.
func (f Fault) refuseRamp(refuse refuser) {
	if len(f.Ramp) == 0 {
		return
	}
	if _, rises := f.Effect.(ramped); !rises {
		refuse("ramp", "%v has no percentage of its own to rise to", f.Effect)
		return
	}
	for n, percent := range f.Ramp {
		field := fmt.Sprintf("ramp[%d]", n)
		for _, problem := range problems(f.Step(n).Effect.Validate()) {
			if _, text, ofPercent := strings.Cut(problem.Error(), "percent: "); ofPercent {
				refuse(field, "%s", text)
			}
		}
		if next := f.Step(n + 1).Percent(); !(percent < next) {
			refuse(field, "%v is not below the %v that comes after it", percent, next)
		}
	}
}

// unequalRamps refuses ramps of different lengths: they go up together.
func unequalRamps(faults []Fault) []Reason {
	var reasons []Reason
	first := -1
	for i, f := range faults {
		switch {
		case len(f.Ramp) == 0:
		case first < 0:
			first = i
		case len(f.Ramp) != len(faults[first].Ramp):
			reasons = append(reasons, Reason{
				fmt.Sprintf("faults[%d].ramp", i),
				fmt.Sprintf("has the length %d, and that of faults[%d] the length %d: ramps of one run go up together, so give them as many percentages",
					len(f.Ramp), first, len(faults[first].Ramp)),
			})
		}
	}
	return reasons
}

// Step writes the n-th step of every ramp, from 0, which is what Inject wrote;
// the last is one for each percentage of a ramp, and has the effect's own.
// Faults without a ramp stay as they are. Each object is rewritten once, under
// the same mark: whenever it ends, an object has the old step or the new one.
// The new step has new names, so that a proxy's configuration tells which one it
// has. Where somebody took the fault out, Step does not put it back, and says so;
// the faults that are left are still to be reverted.
func (inj *Injection) Step(ctx context.Context, n int) error {
	for _, edit := range inj.Edits() {
		if len(edit.rising.Ramp) == 0 || len(edit.Signs) == 0 {
			continue
		}
		next, err := inj.next(edit, n)
		if err == nil {
			err = inj.place(ctx, next)
		}
		if err != nil {
			return fmt.Errorf("step %d of %s: %w", n, edit.Ref, err)
		}
	}
	return nil
}

// next returns edit as it is to be in the n-th step of its ramp, to be made on
// what is there.
func (inj *Injection) next(edit Edit, n int) (Edit, error) {
	switch {
	case n < 0 || n > len(edit.rising.Ramp):
		return Edit{}, fmt.Errorf("there is none: the ramp has the steps 0 to %d", len(edit.rising.Ramp))
	case !inj.holds(edit.Ref):
		return Edit{}, errors.New("it was reverted")
	}
	edit.former = append(slices.Clone(edit.former), edit.shownAs()...)
	f := edit.rising.Step(n)
	if edit.splice != nil {
		s := *edit.splice
		s.effect, s.replaces, s.first = f.Effect, edit.former, inj.fresh()
		edit.splice, edit.Signs = &s, f.Effect.signs(s.spot)
		return edit, nil
	}
	set := *edit.filter
	set.step = f
	edit.filter, edit.Signs = &set, f.Effect.signs(set.spot)
	edit.Marker = fmt.Sprintf("%s.step%d", set.name, len(edit.former))
	return edit, nil
}

// fresh returns a number that no route of the injection has had.
func (inj *Injection) fresh() int {
	next := 0
	for _, edit := range inj.Edits() {
		for _, name := range slices.Concat(edit.Routes, edit.former) {
			number, _ := strconv.Atoi(name[strings.LastIndexByte(name, '-')+1:])
			next = max(next, number+1)
		}
	}
	return next
}

// filterSet is what the EnvoyFilter of an Upstream fault is made of.
type filterSet struct {
	name    string // of the object
	targets []filterTarget
	spot    spot
	step    Fault
}

// into returns a copy of our EnvoyFilter in which the HTTP filters are those of
// the step, the first of them called name.
func (s filterSet) into(live *unstructured.Unstructured, name string) (*unstructured.Unstructured, error) {
	m, marked, err := markOf(live, s.spot.run)
	if err != nil || !marked {
		return nil, fmt.Errorf("has no mark of run %s that can be read: %w", s.spot.run, errGone)
	}
	filters, err := httpFilters(name, s.step, s.spot)
	if err != nil {
		return nil, err
	}
	written := live.DeepCopy()
	written.Object["spec"] = filterSpec(filters, s.targets)
	return written, m.putWhole(written, s.spot.run)
}

// errGone is why a step is not written.
var errGone = errors.New("somebody took the fault out")

// withoutReplaced returns routes without those of the splice's earlier steps.
func (s splice) withoutReplaced(routes []any) ([]any, error) {
	if len(s.replaces) == 0 {
		return routes, nil
	}
	kept := slices.DeleteFunc(slices.Clone(routes), func(route any) bool {
		r, _ := route.(object)
		return slices.Contains(s.replaces, at[string](r, "name"))
	})
	if len(kept) == len(routes) {
		return nil, fmt.Errorf("has none of the routes %q: %w", s.replaces, errGone)
	}
	return kept, nil
}
