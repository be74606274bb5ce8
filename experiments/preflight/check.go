package preflight

// Result is what is known before a run.
type Result struct {
	Findings []Finding    // refusals first; within them in the order of the rules
	Needs    []Need       // what the claims take to be judged
	Hops     []Hop        // the calls that the experiment is about, with the policy in effect on each
	Reach    []Reach      // whom each fault concerns
	Depends  []Dependency // what all this follows from
	Notes    []string     // what could not be looked at, and so was not checked
}

// Refused returns the findings for which the run is not begun.
func (r Result) Refused() []Finding { return r.pick(true) }

// Warnings returns the other findings.
func (r Result) Warnings() []Finding { return r.pick(false) }

func (r Result) pick(refused bool) []Finding {
	var all []Finding
	for _, f := range r.Findings {
		if f.Refused == refused {
			all = append(all, f)
		}
	}
	return all
}

// Check asks every rule about q in w. It is pure.
func Check(q Question, w World) Result {
	c := newCheck(q, w)
	found := Result{Notes: w.Notes, Hops: c.hops, Needs: c.needs(), Reach: c.reaches(), Depends: c.depends()}
	for _, r := range rules() {
		for _, f := range r.find(c) {
			if f.Rule = r.id; !said(f, found.Findings) {
				found.Findings = append(found.Findings, f)
			}
		}
	}
	found.Findings = append(found.Refused(), found.Warnings()...)
	return found
}

// check is what rules look at: the question, the world, and what follows from
// both that more than one rule needs.
type check struct {
	Question
	World
	index
	hops []Hop // the calls that the experiment is about
}
