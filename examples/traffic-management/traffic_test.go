package trafficmanagement

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/experiments/manifest"
	"github.com/faultline-mesh/faultline/meshtest"
)

// places says which of the manifests are tried in which namespace.
var places = []struct {
	namespace string
	manifests []string
}{
	{"reviews", []string{"reviews-route.yaml", "reviews-destination.yaml"}},
	{"canary", []string{"my-service.yaml"}},
	{"three", []string{"circuit-breaker.yaml"}},
	{"ten", []string{"circuit-breaker.yaml"}},
	{"ratings", []string{"ratings.yaml"}},
}

// around brings the mesh up before the tests and down after them.
type around struct{ tests *testing.M }

var mesh *meshtest.Mesh

func TestMain(m *testing.M) { experiments.Main(around{m}) }

// Run returns the exit code.
func (a around) Run() (code int) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "traffic-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		err := os.RemoveAll(dir)
		if mesh != nil {
			err = errors.Join(mesh.Stop(ctx), err)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	if err := start(ctx, filepath.Join(dir, "standin")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return a.tests.Run()
}

// start brings up a mesh with all of it.
func start(ctx context.Context, program string) error {
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./standin").CombinedOutput(); err != nil {
		return fmt.Errorf("build the stand-in: %w\n%s", err, out)
	}
	mesh = &meshtest.Mesh{
		Images:   map[string]string{"faultline/standin": program},
		Progress: func(line string) { fmt.Fprintln(os.Stderr, line) },
	}
	if err := mesh.Start(ctx); err != nil {
		return err
	}
	if err := mesh.Deploy(ctx, "standins"); err != nil {
		return err
	}
	for _, place := range places {
		paths := []string{"standins/web"}
		for _, name := range place.manifests {
			paths = append(paths, filepath.Join("manifests", name))
		}
		if err := mesh.DeployIn(ctx, place.namespace, paths...); err != nil {
			return err
		}
	}
	return nil
}

// Each claim holds, but that of the breaker over three pods: with what it says,
// and does not say, no pod of three is ever ejected.
func TestClaims(t *testing.T) {
	for _, file := range []string{"reviews", "canary", "breaker-of-ten", "ratings"} {
		for _, e := range read(t, file) {
			t.Run(e.Name, func(t *testing.T) {
				report := experiments.Test(t, mesh.Config(), e.Experiment)
				if file == "ratings" {
					standing(t, report)
				}
			})
		}
	}
	t.Run("breaker-of-three", func(t *testing.T) {
		runner, err := experiments.NewRunner(mesh.Config())
		if err != nil {
			t.Fatal(err)
		}
		report, err := runner.Run(t.Context(), read(t, "breaker-of-three")[0].Experiment)
		refused, ok := errors.AsType[*experiments.InputError](err)
		if !ok {
			t.Fatalf("got %v, want a refused plan\n%s", err, report)
		}
		for _, words := range []string{"DestinationRule three/circuit-breaker", "maxEjectionPercent", "10", "3 hosts", "34"} {
			if !strings.Contains(refused.Error(), words) {
				t.Errorf("the refusal lacks %q: %v", words, refused)
			}
		}
	})
}

// standing checks that the logs of ratings' callers tell of the fault that is not
// the run's: as often as the requests that took 5 s.
func standing(t *testing.T, report *experiments.Report) {
	t.Helper()
	if len(report.Standing) != 1 {
		t.Fatalf("want evidence of the one fault of VirtualService ratings/ratings:\n%s", report)
	}
	slow := 0
	for _, s := range report.During.Load.Samples {
		if s.Latency-s.Lag >= 5*time.Second {
			slow++
		}
	}
	if e := report.Standing[0]; e.Fired != slow || e.Of != report.During.Load.Requests() || e.Off != "" {
		t.Errorf("want %d of %d requests hit, got %+v", slow, report.During.Load.Requests(), e)
	}
}

// The same claims on what breaks them do not hold, and say why.
func TestClaimsThatAreNotSo(t *testing.T) {
	for name, change := range map[string]struct{ file, url, header, says string }{
		"jasmin is not jason": {
			file: "reviews", header: "jasmin",
			says: "Expected share of reviews in subset v2 to be 100%, but it was 0%",
		},
		"nobody calls the canary": {
			file: "canary", url: "http://canary.example/",
			says: "no proxy sent a request to my-service.canary",
		},
		"nobody holds up the reviews": {
			file: "ratings", url: "http://reviews.example/reviews",
			says: "Expected share of requests delayed by 5s to be 10%, but it was 0%",
		},
		"nobody calls the pod that fails": {
			file: "breaker-of-ten", url: "http://ten.example/",
			says: "my-service",
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := read(t, change.file)[0].Experiment
			if change.url != "" {
				e.Load.URL = change.url
			}
			if change.header != "" {
				e.Load.Header = map[string]string{"end-user": change.header}
			}
			runner, err := experiments.NewRunner(mesh.Config())
			if err != nil {
				t.Fatal(err)
			}
			report, err := runner.Run(t.Context(), e)
			if err != nil || report.Verdict == experiments.Held || !strings.Contains(report.Reason, change.says) {
				t.Errorf("got %v; want it not to hold, and to say %q:\n%s", err, change.says, report)
			}
		})
	}
}

func read(t *testing.T, name string) []manifest.Read {
	t.Helper()
	all, err := manifest.Load(filepath.Join("experiments", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}
