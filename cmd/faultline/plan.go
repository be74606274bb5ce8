package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/experiments/manifest"
)

func newPlanCommand(c *cluster) *cobra.Command {
	onlyRoles := false
	cmd := &cobra.Command{
		Use:   "plan FILE...",
		Short: "Show what runs would write to the mesh, and write nothing",
		Example: `  faultline plan slow-payments.yaml
  faultline plan --roles slow-payments.yaml | kubectl apply -f -`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			all, err := manifest.Load(files...)
			if err != nil {
				return err
			}
			config, err := c.config(cmd.Context())
			if err != nil {
				return err
			}
			runner, err := experiments.NewRunner(config)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			var errs []error
			for _, e := range all {
				plan, err := runner.Plan(cmd.Context(), e.Experiment)
				if err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", e.File, err))
					continue
				}
				if !onlyRoles {
					writePlan(out, e.Experiment, plan)
					fmt.Fprintln(out, "  rights that the run needs (bind them to whoever runs it):")
				}
				errs = append(errs, writeRoles(out, plan))
			}
			return errors.Join(errs...)
		},
	}
	cmd.Flags().BoolVar(&onlyRoles, "roles", false, "print only the Roles that the runs need, as YAML for kubectl apply")
	return cmd
}

func writePlan(out io.Writer, e experiments.Experiment, plan experiments.Plan) {
	fmt.Fprintf(out, "%s: %s\n", e.Name, e.Title)
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
