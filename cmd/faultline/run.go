package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/experiments/manifest"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/meshtest"
)

// runFlags are those of `faultline run`.
type runFlags struct {
	*cluster
	local     bool
	manifests []string
	images    map[string]string
	output    string
	reportDir string
	junit     string
	planFile  string
}

func newRunCommand(c *cluster) *cobra.Command {
	f := &runFlags{cluster: c}
	cmd := &cobra.Command{
		Use:   "run FILE...",
		Short: "Run experiments, one after the other",
		Example: `  faultline run experiments/*.yaml
  faultline run --local -f examples/shop/mesh --image faultline/shop=bin/shop examples/shop/experiments/*.yaml
  faultline run slow-payments.yaml -o json | jq .verdict`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error { return f.run(cmd, files) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.local, "local", false, "start a mesh on this machine for these experiments, and end it afterwards")
	flags.StringArrayVarP(&f.manifests, "filename", "f", nil, "manifests to deploy first (with --local)")
	flags.StringToStringVar(&f.images, "image", nil, "executable that stands for an image, NAME=EXECUTABLE (with --local)")
	flags.StringVarP(&f.output, "output", "o", "text", "text or json; json prints one object per experiment")
	flags.StringVar(&f.reportDir, "report", "", "directory for a report of each experiment, as JSON and HTML")
	flags.StringVar(&f.planFile, "plan", "", "file that `faultline plan -o yaml` wrote; what has changed since is refused")
	flags.StringVar(&f.junit, "junit", "", "file for a JUnit report of all experiments")
	return cmd
}

func (f *runFlags) run(cmd *cobra.Command, files []string) error {
	if f.output != "text" && f.output != "json" {
		return fmt.Errorf("--output: found %q, want text or json", f.output)
	}
	if !f.local && len(f.manifests)+len(f.images) > 0 {
		return errors.New("-f and --image deploy to a mesh of this machine; they need --local")
	}
	all, err := manifest.Load(files...)
	if err = errors.Join(err, there(f.manifests)); err != nil {
		return err
	}
	plans, err := readPlans(f.planFile, all)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	progress := newProgress(cmd.ErrOrStderr())
	config, stop, err := f.mesh(ctx, progress)
	if err != nil {
		return err
	}
	results, err := runAll(ctx, config, all, plans, progress, f.kept(progress), func(r result) error { return f.tell(cmd.OutOrStdout(), r) })
	err = errors.Join(err, f.write(results), prune(), stop())
	if err != nil {
		return err
	}
	codes := make([]int, 0, len(results))
	for _, r := range results {
		codes = append(codes, r.code())
	}
	if code := worst(codes); code != exitHeld {
		return &codeError{code}
	}
	return nil
}

// there complains about manifests that are not there, before a mesh is started for
// them.
func there(manifests []string) error {
	var errs []error
	for _, path := range manifests {
		_, err := os.Stat(path)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// mesh returns the cluster to run on: the kubeconfig's, or one of this machine.
func (f *runFlags) mesh(ctx context.Context, progress *progress) (*rest.Config, func() error, error) {
	if !f.local {
		config, err := f.config(ctx)
		return config, func() error { return nil }, err
	}
	mesh := &meshtest.Mesh{Images: f.images, Progress: progress.line}
	stop := func() error { return mesh.Stop(context.WithoutCancel(ctx)) }
	progress.line("starting a mesh on this machine")
	if err := mesh.Start(ctx); err != nil {
		return nil, stop, err
	}
	if len(f.manifests) > 0 {
		if err := mesh.Deploy(ctx, f.manifests...); err != nil {
			return nil, stop, errors.Join(err, stop())
		}
	}
	return mesh.Config(), stop, nil
}

// result is what came of one file's experiment.
type result struct {
	file       string
	experiment experiments.Experiment
	report     *experiments.Report // nil when it could not be done
	err        error
}

func (r result) code() int {
	var left *injector.NotRevertedError
	switch {
	case errors.As(r.err, &left):
		return exitNotReverted
	case r.report == nil:
		return exitBadInput
	}
	return map[experiments.Verdict]int{
		experiments.Held: exitHeld, experiments.Deviated: exitDeviated,
		experiments.Halted: exitHalted, experiments.Inconclusive: exitInconclusive,
	}[r.report.Verdict]
}

// runAll runs every experiment and tells each result as it comes; one that cannot
// be done does not keep the others from being done, an interruption does.
func runAll(
	ctx context.Context, config *rest.Config, all []manifest.Read, plans map[string]experiments.PlanRecord,
	progress *progress, keep []experiments.Option, tell func(result) error,
) ([]result, error) {
	runner, err := experiments.NewRunner(config, append(keep, experiments.WithProgress(progress.event))...)
	if err != nil {
		return nil, err
	}
	var results []result
	var errs []error
	for _, e := range all {
		if ctx.Err() != nil {
			break
		}
		progress.begin(e.Name)
		report, err := runAs(ctx, runner, e.Experiment, plans)
		progress.end()
		r := result{file: e.File, experiment: e.Experiment, report: report, err: err}
		results, errs = append(results, r), append(errs, tell(r))
	}
	return results, errors.Join(errs...)
}

// runAs runs one experiment, as it was planned where it was.
func runAs(ctx context.Context, runner *experiments.Runner, e experiments.Experiment, plans map[string]experiments.PlanRecord) (*experiments.Report, error) {
	if plan, planned := plans[e.Name]; planned {
		return runner.RunPlanned(ctx, e, plan)
	}
	return runner.Run(ctx, e)
}

// tell prints one result: to out for people or machines, trouble to stderr.
func (f *runFlags) tell(out io.Writer, r result) (err error) {
	switch {
	case f.output == "json" && r.report != nil:
		err = json.NewEncoder(out).Encode(r.report)
	case f.output == "json":
	default:
		if r.code() == exitNotReverted {
			fmt.Fprintf(out, "NOT REVERTED: %s: %v\n", r.experiment.Name, r.err)
		}
		if r.report != nil {
			fmt.Fprintln(out, r.report)
		}
	}
	if r.err != nil {
		fmt.Fprintf(os.Stderr, "faultline: %s: %v\n", r.file, r.err)
	}
	return err
}

// write writes the reports that the flags ask for.
func (f *runFlags) write(results []result) error {
	var errs []error
	if f.reportDir != "" {
		errs = append(errs, writeReports(f.reportDir, results))
	}
	if f.junit != "" {
		errs = append(errs, writeJUnit(f.junit, results))
	}
	return errors.Join(errs...)
}
