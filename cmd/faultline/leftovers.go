package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/faultline-mesh/faultline/injector"
)

func newLeftoversCommand(c *cluster) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "leftovers",
		Short: "List faults that are in the mesh: object, run, owner, until, stale or live",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("--output: found %q, want text or json", output)
			}
			_, found, err := c.leftovers(cmd.Context())
			if err != nil {
				return err
			}
			if output == "json" {
				return writeLeftoversJSON(cmd.OutOrStdout(), found)
			}
			return writeLeftovers(cmd.OutOrStdout(), found)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func (c *cluster) leftovers(ctx context.Context) (*injector.Injector, []injector.Leftover, error) {
	config, err := c.config(ctx)
	if err != nil {
		return nil, nil, err
	}
	in, err := injector.New(config)
	if err != nil {
		return nil, nil, err
	}
	found, err := in.Leftovers(ctx, c.namespace)
	return in, found, err
}

// writeLeftovers prints a table, and nothing at all when there is none.
func writeLeftovers(w io.Writer, found []injector.Leftover) error {
	if len(found) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "OBJECT\tRUN\tOWNER\tUNTIL\tSTATE\tNOTE")
	for _, l := range found {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", l.Ref, l.Run, l.By, l.Until.Format(time.RFC3339), l.State.String(), l.Note)
	}
	return table.Flush()
}

func writeLeftoversJSON(w io.Writer, found []injector.Leftover) error {
	type leftover struct {
		Object string    `json:"object"`
		Run    string    `json:"run"`
		Owner  string    `json:"owner"`
		Until  time.Time `json:"until"`
		State  string    `json:"state"`
		Note   string    `json:"note,omitempty"`
	}
	all := make([]leftover, 0, len(found))
	for _, l := range found {
		all = append(all, leftover{l.Ref.String(), l.Run, l.By, l.Until, l.State.String(), l.Note})
	}
	return json.NewEncoder(w).Encode(all)
}

func newRevertCommand(c *cluster) *cobra.Command {
	var run string
	var expired, all bool
	cmd := &cobra.Command{
		Use:   "revert --run ID | --expired | --all",
		Short: "Take faults out of the mesh; safe to repeat, works after a crash and from any machine",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, found, err := c.leftovers(cmd.Context())
			if err != nil {
				return err
			}
			chosen, err := choose(found, run, expired, all)
			if err != nil {
				return err
			}
			err = in.RevertLeftovers(context.WithoutCancel(cmd.Context()), chosen)
			if _, ok := errors.AsType[*injector.NotRevertedError](err); ok {
				fmt.Fprintf(cmd.ErrOrStderr(), "faultline: %v\n", err)
				return &codeError{exitNotReverted}
			}
			if err != nil {
				return err
			}
			for _, l := range chosen {
				fmt.Fprintf(cmd.OutOrStdout(), "reverted %s of run %s\n", l.Ref, l.Run)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&run, "run", "", "the faults of one run")
	flags.BoolVar(&expired, "expired", false, "the faults whose time is over")
	flags.BoolVar(&all, "all", false, "every fault, also of runs that are alive")
	cmd.MarkFlagsOneRequired("run", "expired", "all")
	cmd.MarkFlagsMutuallyExclusive("run", "expired", "all")
	return cmd
}

// choose picks what a revert was asked for. A run that has nothing is an error:
// the id may be misspelt.
func choose(found []injector.Leftover, run string, expired, all bool) ([]injector.Leftover, error) {
	var chosen []injector.Leftover
	for _, l := range found {
		if all || expired && l.State == injector.Stale || run != "" && l.Run == run {
			chosen = append(chosen, l)
		}
	}
	if run != "" && len(chosen) == 0 {
		return nil, &injector.UnknownRunError{Run: run}
	}
	return chosen, nil
}
