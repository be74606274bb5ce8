package preflight

import "slices"

// rule is one thing that can be wrong.
type rule struct {
	id   string // as docs/mistakes.md heads it
	find func(*check) []Finding
}

// rules are all there are; those that refuse come first, since warnings do not
// repeat them.
func rules() []rule {
	return slices.Concat(refusals(), mistakes(), advice())
}
