package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/internal/bundle"
	"github.com/faultline-mesh/faultline/internal/why"
)

const (
	keptRuns = 50     // that stay in the state directory
	runsDir  = "runs" // of a directory of reports
)

func newWhyCommand() *cobra.Command {
	reportDir := ""
	cmd := &cobra.Command{
		Use:   "why [RUN]",
		Short: "Tell why a run ended as it did; without RUN, the latest on this machine",
		Example: `  faultline why
  faultline why 49c476b4
  faultline why --report reports 49c476b4`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := bundle.StateDir()
			if reportDir != "" {
				dir, err = filepath.Join(reportDir, runsDir), nil
			}
			if err != nil {
				return err
			}
			run := ""
			if len(args) > 0 {
				run = args[0]
			}
			kept, err := bundle.Read(dir, run)
			if err != nil {
				return err
			}
			text, err := why.Text(kept)
			if err != nil {
				return err
			}
			fmt.Fprint(cmd.OutOrStdout(), text)
			return nil
		},
	}
	cmd.Flags().StringVar(&reportDir, "report", "", "directory that was given to run --report (default: where this machine keeps runs)")
	return cmd
}

// kept says where runs are kept: in this machine's state directory and, with
// --report, below that directory. Without a home for state it is told, and the run
// goes on.
func (f *runFlags) kept(progress *progress) []experiments.Option {
	var options []experiments.Option
	if dir, err := bundle.StateDir(); err == nil {
		options = append(options, experiments.WithBundle(dir))
	} else {
		progress.line(fmt.Sprintf("runs are not kept for `faultline why`: %v", err))
	}
	if f.reportDir != "" {
		options = append(options, experiments.WithBundle(filepath.Join(f.reportDir, runsDir)))
	}
	return options
}

// prune keeps the state directory from growing.
func prune() error {
	dir, err := bundle.StateDir()
	if err != nil {
		return nil //nolint:nilerr // nothing is kept there, which kept has told
	}
	return bundle.Prune(dir, keptRuns)
}
