package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
)

// haltRevertBudget is shorter than a run's: the faults are switched off by then,
// and whoever halts is in a hurry to know what is left.
const haltRevertBudget = 12 * time.Second

func newHaltCommand(c *cluster) *cobra.Command {
	var release bool
	cmd := &cobra.Command{
		Use:   "halt",
		Short: "Stop every fault now, also while istiod is down, and keep new ones out; --release ends that",
		Long: `halt switches the faults off in every proxy, sets a flag that ends runs and keeps new ones
from beginning, and reverts everything, all at once. It is safe to repeat.

The switch stops delays and aborts, whoever made them, within a second. It does not stop what is
not made by Envoy's fault filter (without, blackhole): these end with the revert, which needs
the API server, and for VirtualServices istiod. Pods that are born during a halt have no switch.

--release reverts what is left, waits until no proxy shows a fault, switches faults on again and
takes the flag off. With -n, only the flag, the objects and the proxies of that namespace count.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.halt(cmd, release) },
	}
	cmd.Flags().BoolVar(&release, "release", false, "end the halt")
	return cmd
}

// halt outlives an interruption, like every revert.
func (c *cluster) halt(cmd *cobra.Command, release bool) error {
	config, err := c.config(cmd.Context())
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	runner, err := experiments.NewRunner(config, experiments.WithRevertBudget(haltRevertBudget),
		experiments.WithProgress(func(e experiments.Event) { fmt.Fprintln(out, e.Text) }))
	if err != nil {
		return err
	}
	ctx := context.WithoutCancel(cmd.Context())
	do := runner.Halt
	if release {
		do = runner.Release
	}
	report, err := do(ctx, c.namespaces()...)
	for _, l := range report.Reverted {
		fmt.Fprintf(out, "reverted %s of run %s\n", l.Ref, l.Run)
	}
	if release {
		return c.released(cmd, report, err)
	}
	for _, unasked := range report.Unasked {
		fmt.Fprintf(cmd.ErrOrStderr(), "faultline: faults may go on here until they are reverted: %v\n", unasked)
	}
	if err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "faultline: %v\n", err)
	}
	if _, left := errors.AsType[*injector.NotRevertedError](err); left {
		fmt.Fprintf(out, "delays and aborts are switched off in %d proxies; when the cluster is well again, "+
			"`faultline halt --release` takes them out\n", report.Proxies)
		return &codeError{exitNotReverted}
	}
	if err != nil {
		return &codeError{exitBadInput}
	}
	fmt.Fprintln(out, "every fault is out, and none is injected until: faultline halt --release")
	return nil
}

func (c *cluster) released(cmd *cobra.Command, report *experiments.HaltReport, err error) error {
	if err != nil {
		return notReverted(cmd, c.explained(err))
	}
	fmt.Fprintf(cmd.OutOrStdout(), "released: no fault is left, %d proxies can make faults again, and runs can begin\n", report.Proxies)
	return nil
}
