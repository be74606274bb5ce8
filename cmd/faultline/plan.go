package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/experiments/manifest"
	"github.com/faultline-mesh/faultline/experiments/preflight"
)

// planFlags are those of `faultline plan`.
type planFlags struct {
	*cluster
	onlyRoles bool
	output    string
}

func newPlanCommand(c *cluster) *cobra.Command {
	f := &planFlags{cluster: c}
	cmd := &cobra.Command{
		Use:   "plan FILE...",
		Short: "Show what runs would write to the mesh and what will come of it, and write nothing",
		Example: `  faultline plan slow-payments.yaml
  faultline plan slow-payments.yaml -o yaml > plan.yaml && faultline run slow-payments.yaml --plan plan.yaml
  faultline plan --roles slow-payments.yaml | kubectl apply -f -`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error { return f.plan(cmd, files) },
	}
	cmd.Flags().BoolVar(&f.onlyRoles, "roles", false, "print only the Roles that the runs need, as YAML for kubectl apply")
	cmd.Flags().StringVarP(&f.output, "output", "o", "text", "text, yaml or json; yaml and json print what `faultline run --plan` takes")
	return cmd
}

func (f *planFlags) plan(cmd *cobra.Command, files []string) error {
	if err := f.check(); err != nil {
		return err
	}
	all, err := manifest.Load(files...)
	if err != nil {
		return err
	}
	config, err := f.config(cmd.Context())
	if err != nil {
		return err
	}
	runner, err := experiments.NewRunner(config)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range all {
		plan, err := runner.Plan(cmd.Context(), e.Experiment)
		if err == nil {
			errs = append(errs, f.write(cmd.OutOrStdout(), e, plan))
			continue
		}
		errs = append(errs, fmt.Errorf("%s: %w", e.File, err))
		if errors.As(err, new(*experiments.InputError)) && f.output == "text" && !f.onlyRoles {
			writeRefused(cmd.OutOrStdout(), e.Experiment, plan)
		}
	}
	return errors.Join(errs...)
}

// check reports which flags do not go together.
func (f *planFlags) check() error {
	switch {
	case f.output != "text" && f.output != "yaml" && f.output != "json":
		return fmt.Errorf("--output: found %q, want text, yaml or json", f.output)
	case f.onlyRoles && f.output != "text":
		return errors.New("--roles prints YAML of its own; leave out --output")
	}
	return nil
}

// write prints one plan as the flags ask for it.
func (f *planFlags) write(out io.Writer, e manifest.Read, plan experiments.Plan) error {
	record := plan.Record(e.Experiment, manifest.APIVersion, version, e.Digest)
	switch {
	case f.onlyRoles:
		return writeRoles(out, plan)
	case f.output == "json":
		return json.NewEncoder(out).Encode(record)
	case f.output == "yaml":
		text, err := yaml.Marshal(record)
		fmt.Fprintf(out, "---\n%s", text)
		return err
	}
	writePlan(out, e.Experiment, plan)
	fmt.Fprintln(out, "  rights that the run needs (bind them to whoever runs it):")
	return writeRoles(out, plan)
}

func writePlan(out io.Writer, e experiments.Experiment, plan experiments.Plan) {
	fmt.Fprintf(out, "%s: %s\n", e.Name, cmp.Or(e.Title, e.Name))
	if len(plan.Edits) == 0 {
		fmt.Fprintln(out, "  writes nothing: the experiment has no fault")
	}
	for _, edit := range plan.Edits {
		verb := "edits"
		if edit.Before == nil {
			verb = "creates"
		}
		fmt.Fprintf(out, "  %s %s for %s\n%s\n", verb, edit.Ref, e.Faults[edit.Fault], edit.Diff())
	}
	for _, r := range plan.Preflight.Reach {
		fmt.Fprintf(out, "  %s\n    is made in %s\n    hits %s\n", e.Faults[r.Fault], r, r.Blast)
	}
	writeForesight(out, plan)
}

// writeRefused prints what is known of a run that must not be.
func writeRefused(out io.Writer, e experiments.Experiment, plan experiments.Plan) {
	fmt.Fprintf(out, "%s: %s\n  REFUSED: nothing would be written\n", e.Name, cmp.Or(e.Title, e.Name))
	writeForesight(out, plan)
}

// writeForesight prints what a run will meet in the mesh, what it needs, and what
// speaks against it.
func writeForesight(out io.Writer, plan experiments.Plan) {
	found := plan.Preflight
	if len(found.Hops) > 0 {
		fmt.Fprintln(out, "  policy in effect:")
	}
	for _, h := range found.Hops {
		fmt.Fprintln(out, "    "+strings.ReplaceAll(h.String(), "\n", "\n    "))
	}
	head := "  needs:\n"
	for _, n := range preflight.Tightest(found.Needs) {
		fmt.Fprintf(out, "%s    %s\n", head, n)
		head = ""
	}
	for _, f := range found.Findings {
		what := "warning"
		switch {
		case f.Refused:
			what = "refused"
		case f.Advice():
			what = "advice"
		}
		fmt.Fprintf(out, "  %s: %s (%s)\n", what, f, f.Rule)
	}
	for _, note := range plan.Notes {
		fmt.Fprintf(out, "  note: %s\n", note)
	}
}

// writeRoles prints the rights that a run needs, as YAML documents.
func writeRoles(out io.Writer, plan experiments.Plan) error {
	var objects []any
	for _, role := range plan.Roles {
		objects = append(objects, role)
	}
	if plan.ClusterRole != nil {
		objects = append(objects, plan.ClusterRole)
	}
	for _, obj := range objects {
		text, err := yaml.Marshal(obj)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "---\n%s", text)
	}
	return nil
}
