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
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/faultline-mesh/faultline/injector"
)

func newLeftoversCommand(c *cluster) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "leftovers",
		Short: "List faults that are in the mesh: object, run, owner, until; live, silent or stale",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("--output: found %q, want text or json", output)
			}
			in, err := c.injector(cmd.Context())
			if err != nil {
				return err
			}
			found, err := in.Leftovers(cmd.Context(), c.namespaces()...)
			write := writeLeftovers
			if output == "json" {
				write = writeLeftoversJSON
			}
			return errors.Join(write(cmd.OutOrStdout(), found), c.explained(err)) // what can be read is told in any case
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func (c *cluster) injector(ctx context.Context) (*injector.Injector, error) {
	config, err := c.config(ctx)
	if err != nil {
		return nil, err
	}
	return injector.New(config)
}

// explained says what helps who may not look everywhere.
func (c *cluster) explained(err error) error {
	if c.namespace == "" && apierrors.IsForbidden(err) {
		return fmt.Errorf("%w; with rights in one namespace only, say which with -n", err)
	}
	return err
}

// writeLeftovers prints a table, and nothing at all when there is none.
func writeLeftovers(w io.Writer, found []injector.Leftover) error {
	if len(found) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "OBJECT\tRUN\tOWNER\tUNTIL\tSTATE\tNOTE")
	for _, l := range found {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", l.Ref, l.Run, l.By, l.Until.Format(time.RFC3339), l.State, remarks(l))
	}
	return table.Flush()
}

// remarks are why a leftover has its state, and what is odd about it.
func remarks(l injector.Leftover) string {
	if l.Why == "" || l.Note == "" {
		return l.Why + l.Note
	}
	return l.Why + "; " + l.Note
}

func writeLeftoversJSON(w io.Writer, found []injector.Leftover) error {
	type leftover struct {
		Object string    `json:"object"`
		Run    string    `json:"run"`
		Owner  string    `json:"owner"`
		Until  time.Time `json:"until"`
		State  string    `json:"state"`
		Why    string    `json:"why,omitempty"`
		Note   string    `json:"note,omitempty"`
	}
	all := make([]leftover, 0, len(found))
	for _, l := range found {
		all = append(all, leftover{l.Ref.String(), l.Run, l.By, l.Until, l.State.String(), l.Why, l.Note})
	}
	return json.NewEncoder(w).Encode(all)
}
