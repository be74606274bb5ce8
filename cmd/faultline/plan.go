package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/experiments/manifest"
)

func newPlanCommand(c *cluster) *cobra.Command {
	return &cobra.Command{
		Use:   "plan FILE...",
		Short: "Show what runs would write to the mesh, and write nothing",
		Args:  cobra.MinimumNArgs(1),
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
			var errs []error
			for _, e := range all {
				plan, err := runner.Plan(cmd.Context(), e.Experiment)
				if err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", e.File, err))
					continue
				}
				out := cmd.OutOrStdout()
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
			return errors.Join(errs...)
		},
	}
}
