package sabotage

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
)

// sabotage is one way to make an experiment worthless.
type sabotage struct {
	name   string                                // as docs/sabotage.md has it
	does   string                                // what is done, in a sentence
	honest func() experiments.Experiment         // the experiment, which is the control as it is
	bend   func(*scene, *experiments.Experiment) // what is wrong with the experiment itself; nil: nothing
	before func(*scene)                          // what is done to the mesh before the run; nil: nothing
	when   string                                // the step of the run at which
	while  func(*scene)                          // something is done to the mesh
	want   string                                // how it must end: refused, Inconclusive, Deviated or Halted
	words  string                                // what the reason must have in it
}

// held is how no sabotaged run may end, and every control must.
const held = "Held"

// control is the name of a run without any sabotage.
const control = "nothing"

// cases are all of them, those of one experiment together.
func cases() []sabotage {
	var all []sabotage
	for _, group := range [][]sabotage{loadCases(), proxyCases(), objectCases(), faultCases(), policyCases(), doubtCases()} {
		all = append(all, group...)
	}
	return all
}

// outcome is how a run ended.
type outcome struct {
	experiment, name, is, reason string
	took                         time.Duration
	report                       *experiments.Report
}

// String tells the outcome in one line.
func (o outcome) String() string {
	reason, _, _ := strings.Cut(o.reason, "\n")
	return fmt.Sprintf("%-12s %s: %s (%.1fs): %s", o.is, o.experiment, o.name, o.took.Seconds(), reason)
}

// TestSabotage runs every case and, after those of one experiment, the experiment
// itself: where several cases share an experiment, they share that control.
func TestSabotage(t *testing.T) {
	var order []string
	grouped := map[string][]sabotage{}
	for _, c := range cases() {
		name := c.honest().Name
		if grouped[name] == nil {
			order = append(order, name)
		}
		grouped[name] = append(grouped[name], c)
	}
	var all []outcome
	t.Cleanup(func() { show(all) })
	for _, name := range order {
		t.Run(name, func(t *testing.T) {
			for _, c := range grouped[name] {
				t.Run(c.name, func(t *testing.T) { all = append(all, c.try(t)) })
			}
			t.Run("nothing", func(t *testing.T) {
				honest := sabotage{name: control, honest: grouped[name][0].honest, want: held}
				all = append(all, honest.try(t))
			})
		})
	}
}

// try does the sabotage, runs the experiment, undoes it and judges.
func (c sabotage) try(t *testing.T) outcome {
	t.Helper()
	untouched := contents(t)
	s := newScene(t)
	defer func() {
		s.restore()
		noLeftovers(t)
		if diff := cmp.Diff(untouched, contents(t)); diff != "" {
			t.Errorf("the lab is not what it was (-was +is):\n%s", diff)
		}
	}()
	e := c.honest()
	if c.before != nil {
		c.before(s)
	}
	if c.bend != nil {
		c.bend(s, &e)
	}
	began := time.Now()
	o := c.run(t, s, e)
	o.took = time.Since(began)
	switch {
	case o.is == held && c.want != held:
		t.Errorf("A FALSE GREEN: Held, want %s with %q\n%s", c.want, c.words, o.report)
	case o.is != c.want, !strings.Contains(o.reason, c.words):
		t.Errorf("got %s, want %s with %q: %s\n%s", o.is, c.want, c.words, o.reason, o.report)
	}
	fmt.Println(o) // as it goes
	return o
}

// run runs the experiment, with the sabotage while it goes on.
func (c sabotage) run(t *testing.T, s *scene, e experiments.Experiment) outcome {
	t.Helper()
	var once sync.Once
	runner, err := experiments.NewRunner(s.cluster(),
		experiments.WithBarrierBudget(2*time.Second), experiments.WithRevertBudget(5*time.Second),
		experiments.WithProgress(func(event experiments.Event) {
			if event.Step == c.when && c.while != nil {
				once.Do(func() { c.while(s) })
			}
		}))
	if err != nil {
		t.Fatal(err)
	}
	report, err := runner.Run(t.Context(), e)
	o := outcome{experiment: e.Name, name: c.name, report: report}
	var input *experiments.InputError
	switch {
	case errors.As(err, &input):
		o.is, o.reason = "refused", input.Error()
	case err != nil:
		o.is, o.reason = "error", err.Error()
	default:
		o.is, o.reason = report.Verdict.String(), report.Reason
	}
	return o
}

// contents are the objects of the lab, less what the API server keeps for itself.
func contents(t *testing.T) map[string]any {
	t.Helper()
	s := newScene(t)
	all := map[string]any{}
	for kind := range kinds {
		list, err := s.in(kind).List(s.ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, obj := range list.Items {
			for _, field := range []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"} {
				unstructured.RemoveNestedField(obj.Object, "metadata", field)
			}
			unstructured.RemoveNestedField(obj.Object, "status")
			all[kind+" "+obj.GetName()] = obj.Object
		}
	}
	return all
}

// noLeftovers is what must be true after every run.
func noLeftovers(t *testing.T) {
	t.Helper()
	in, err := injector.New(cluster)
	if err != nil {
		t.Fatal(err)
	}
	left, err := in.Leftovers(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range left {
		t.Errorf("left behind: %s", l)
	}
}

// show prints what came of every case.
func show(all []outcome) {
	sabotaged, green, controls := 0, 0, 0
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(out, "\nVERDICT\tEXPERIMENT\tSABOTAGE\tTIME") // standard output takes everything
	for _, o := range all {
		_, _ = fmt.Fprintf(out, "%s\t%s\t%s\t%.1fs\n", o.is, o.experiment, o.name, o.took.Seconds())
		switch {
		case o.name == control && o.is == held:
			controls++
		case o.name != control:
			sabotaged++
			if o.is == held {
				green++
			}
		}
	}
	_ = out.Flush()
	fmt.Printf("%d sabotaged runs, %d of them Held; %d controls Held\n", sabotaged, green, controls)
}
