package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/experiments/manifest"
)

func newInjectCommand(c *cluster) *cobra.Command {
	var length time.Duration
	cmd := &cobra.Command{
		Use:   "inject FILE",
		Short: "Hold an experiment's faults, without load, for exploring by hand; Ctrl-C or the time takes them out",
		Example: `  faultline inject slow-payments.yaml --for 5m
  curl -H 'x-faultline-run: ID' http://shop.example/checkout      with the ID that inject prints`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error { return c.inject(cmd, files[0], length) },
	}
	cmd.Flags().DurationVar(&length, "for", 10*time.Minute, "how long to hold them")
	return cmd
}

func (c *cluster) inject(cmd *cobra.Command, file string, length time.Duration) error {
	all, err := manifest.Load(file)
	if err != nil {
		return err
	}
	if len(all) != 1 {
		return fmt.Errorf("%s: found %d experiments, want one", file, len(all))
	}
	config, err := c.config(cmd.Context())
	if err != nil {
		return err
	}
	progress := newProgress(cmd.ErrOrStderr())
	progress.begin(all[0].Name)
	runner, err := experiments.NewRunner(config, experiments.WithProgress(progress.event))
	if err != nil {
		return err
	}
	report, err := runner.Hold(cmd.Context(), all[0].Experiment, length)
	progress.end()
	if report != nil {
		fmt.Fprintln(cmd.OutOrStdout(), report)
	}
	r := result{file: file, experiment: all[0].Experiment, report: report, err: err}
	switch code := r.code(); {
	case code == exitNotReverted:
		return notReverted(cmd, err)
	case err != nil:
		return err
	case code != exitHeld:
		return &codeError{code}
	}
	return nil
}
