package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/faultline-mesh/faultline/injector"
)

// revertFlags are those of `faultline revert`.
type revertFlags struct {
	*cluster
	run          string
	expired, all bool
}

func newRevertCommand(c *cluster) *cobra.Command {
	f := &revertFlags{cluster: c}
	cmd := &cobra.Command{
		Use:   "revert --run ID | --expired | --all",
		Short: "Take faults out of the mesh; safe to repeat, works after a crash and from any machine",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return f.revert(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.run, "run", "", "the faults of one run")
	flags.BoolVar(&f.expired, "expired", false, "the faults of runs that are dead; one that is silent is watched for 10s first")
	flags.BoolVar(&f.all, "all", false, "every fault, also of runs that are alive")
	cmd.MarkFlagsOneRequired("run", "expired", "all")
	cmd.MarkFlagsMutuallyExclusive("run", "expired", "all")
	return cmd
}

// revert outlives an interruption: half a revert is worse than a late one. What
// could not be looked at does not keep it from the rest.
func (f *revertFlags) revert(cmd *cobra.Command) error {
	in, err := f.injector(cmd.Context())
	if err != nil {
		return err
	}
	ctx := context.WithoutCancel(cmd.Context())
	found, unseen := in.Leftovers(ctx, f.namespaces()...)
	unseen = f.explained(unseen)
	if f.run != "" {
		found = slices.DeleteFunc(found, func(l injector.Leftover) bool { return l.Run != f.run })
	}
	if f.run != "" && len(found) == 0 && unseen == nil {
		return &injector.UnknownRunError{Run: f.run} // the id may be misspelt
	}
	if f.expired && unseen != nil { // whether a run lives cannot be told
		return notReverted(cmd, unseen)
	}
	done := found
	if f.expired {
		done, err = f.revertStale(ctx, cmd, in, found)
	} else if err = in.RevertLeftovers(ctx, found); err != nil {
		done = nil // the error tells
	}
	for _, l := range done {
		fmt.Fprintf(cmd.OutOrStdout(), "reverted %s of run %s\n", l.Ref, l.Run)
	}
	if err := errors.Join(err, unseen); err != nil {
		return notReverted(cmd, err)
	}
	return nil
}

func (f *revertFlags) revertStale(
	ctx context.Context, cmd *cobra.Command, in *injector.Injector, found []injector.Leftover,
) ([]injector.Leftover, error) {
	if slices.ContainsFunc(found, func(l injector.Leftover) bool { return l.State == injector.Silent }) {
		newProgress(cmd.ErrOrStderr()).line("watching whether runs that are silent renew their Lease")
	}
	return in.RevertStale(ctx, f.namespaces()...)
}

// notReverted tells what is left, or could not be looked at, which may be as bad.
func notReverted(cmd *cobra.Command, err error) error {
	fmt.Fprintf(cmd.ErrOrStderr(), "faultline: %v\n", err)
	return &codeError{exitNotReverted}
}
