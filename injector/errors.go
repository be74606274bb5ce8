package injector

import (
	"fmt"
	"slices"
	"strings"
)

// Reason is one reason to refuse a plan.
type Reason struct {
	Field string // what it is about, such as "faults[0].on"
	Text  string // what is wrong, and what would be right
}

// String returns "field: text".
func (r Reason) String() string { return r.Field + ": " + r.Text }

// RefusedError says why faults cannot be planned. It has every reason that was
// found, and when it is returned nothing was written.
type RefusedError struct {
	Reasons []Reason // at least one
}

// Error returns the reasons, one a line when there are several.
func (e *RefusedError) Error() string {
	if len(e.Reasons) == 1 {
		return "refused: " + e.Reasons[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "refused for %d reasons:", len(e.Reasons))
	for _, r := range e.Reasons {
		b.WriteString("\n  " + r.String())
	}
	return b.String()
}

// refused returns a *RefusedError, or nil when there is no reason.
func refused(reasons []Reason) error {
	if len(reasons) == 0 {
		return nil
	}
	return &RefusedError{Reasons: reasons}
}

// UnknownRunError says that no object that was looked at carries a mark of the
// run.
type UnknownRunError struct {
	Run string
}

// Error names the run.
func (e *UnknownRunError) Error() string {
	return fmt.Sprintf("no VirtualService, EnvoyFilter, ServiceEntry or Lease carries a mark of run %q", e.Run)
}

// NotRevertedError says that a run's mark remains, or may remain, on objects.
// It wraps the causes, one per object.
type NotRevertedError struct {
	Run   string
	Refs  []Ref // objects not known to be clean, in the order they were tried; none when they could not be found out
	Lease Ref   // the run's Lease, which is kept as long as there is something else; zero when there is none
	Cause error
}

// Error names the objects, the commands that finish the job, and the causes.
func (e *NotRevertedError) Error() string {
	names := make([]string, len(e.Refs))
	for i, ref := range e.Refs {
		names[i] = ref.String()
	}
	whose := "run " + e.Run
	if e.Run == "" {
		whose = "a run that nothing names"
	}
	if len(names) == 0 {
		names = []string{"objects that could not be read"}
	}
	return fmt.Sprintf("NOT REVERTED: %s may still have its mark on %s\nfinish with:\n  %s\nbecause: %v",
		whose, strings.Join(names, ", "), strings.Join(e.Commands(), "\n  "), e.Cause)
}

// Unwrap returns the joined causes.
func (e *NotRevertedError) Unwrap() error { return e.Cause }

// Commands returns the shell commands that finish the revert: first the one
// that does all of it, then, for each object and for the Lease, one that needs
// only kubectl (and jq, where the object is a user's own).
func (e *NotRevertedError) Commands() []string {
	commands := []string{"faultline revert --run " + e.Run}
	if e.Run == "" {
		commands = []string{"faultline revert --all"}
	}
	for _, ref := range e.Refs {
		commands = append(commands, kubectlRevert(ref, e.Run))
	}
	if e.Lease != (Ref{}) && !slices.Contains(e.Refs, e.Lease) {
		commands = append(commands, kubectlRevert(e.Lease, e.Run))
	}
	return commands
}

// kubectlRevert returns the command that does by hand what reverting does.
func kubectlRevert(ref Ref, run string) string {
	where, err := ref.resource()
	if err != nil {
		return "# " + err.Error()
	}
	resource := where.GroupResource().String()
	switch {
	case run == "":
		return fmt.Sprintf("kubectl -n %s label %s %s %s-", ref.Namespace, resource, ref.Name, labelFaulted)
	case ref.creator() == run:
		return fmt.Sprintf("kubectl -n %s delete %s %s", ref.Namespace, resource, ref.Name)
	}
	return fmt.Sprintf(`kubectl -n %s get %s %s -o json | jq 'del(.spec.http[]? | select((.name // "") | test("^%s[0-9]+$")))`+
		` | del(.metadata.annotations["%s"], .metadata.labels["%s"])' | kubectl replace -f -`,
		ref.Namespace, resource, ref.Name, routePrefix(run), annotationPrefix+run, labelFaulted)
}
