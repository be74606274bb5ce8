package main

import (
	"context"
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

// revert outlives an interruption: half a revert is worse than a late one.
func (f *revertFlags) revert(cmd *cobra.Command) error {
	in, err := f.injector(cmd.Context())
	if err != nil {
		return err
	}
	ctx := context.WithoutCancel(cmd.Context())
	found, err := in.Leftovers(ctx, f.namespaces()...)
	if err != nil {
		return notReverted(cmd, f.explained(err))
	}
	done, err := f.take(ctx, cmd, in, found)
	for _, l := range done {
		fmt.Fprintf(cmd.OutOrStdout(), "reverted %s of run %s\n", l.Ref, l.Run)
	}
	return err
}

// take reverts what the flags ask for, and returns what was.
func (f *revertFlags) take(
	ctx context.Context, cmd *cobra.Command, in *injector.Injector, found []injector.Leftover,
) (done []injector.Leftover, err error) {
	switch {
	case f.expired:
		silent := slices.ContainsFunc(found, func(l injector.Leftover) bool { return l.State == injector.Silent })
		if silent {
			newProgress(cmd.ErrOrStderr()).line("watching whether runs that are silent renew their Lease")
		}
		done, err = in.RevertStale(ctx, f.namespaces()...)
	case f.all:
		done, err = found, in.RevertLeftovers(ctx, found)
	default:
		done = slices.DeleteFunc(found, func(l injector.Leftover) bool { return l.Run != f.run })
		if len(done) == 0 { // the id may be misspelt
			return nil, &injector.UnknownRunError{Run: f.run}
		}
		err = in.RevertLeftovers(ctx, done)
	}
	if err == nil {
		return done, nil
	}
	if !f.expired {
		done = nil // the error tells
	}
	return done, notReverted(cmd, err)
}

// notReverted tells what is left, or could not be looked at, which may be as bad.
func notReverted(cmd *cobra.Command, err error) error {
	fmt.Fprintf(cmd.ErrOrStderr(), "faultline: %v\n", err)
	return &codeError{exitNotReverted}
}
