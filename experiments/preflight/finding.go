package preflight

import "strings"

// Finding is one thing that a user should know before a run.
type Finding struct {
	Rule    string `json:"rule"`             // which rule found it, such as "ejection-impossible"; a heading in docs/mistakes.md
	Refused bool   `json:"refused"`          // the run could not answer its question, and is not begun
	Field   string `json:"field,omitempty"`  // of the experiment, such as "during[0]" or "faults[0].site"; empty when the mesh alone is meant
	Object  string `json:"object,omitempty"` // as "Kind namespace/name"; empty when no object is meant
	Text    string `json:"text"`             // what was found, what follows from it, and what would be right; in sentences
}

// Advice reports whether the finding is about good practice that is missing, and
// not about a mistake.
func (f Finding) Advice() bool { return strings.HasPrefix(f.Rule, "advice-") }

// String returns the finding in one line: where it is, and what it says.
func (f Finding) String() string {
	where := []string{}
	for _, part := range []string{f.Field, f.Object} {
		if part != "" {
			where = append(where, part)
		}
	}
	return strings.Join(append(where, f.Text), ": ")
}
