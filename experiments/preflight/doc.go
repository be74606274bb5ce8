// Package preflight finds out before anything is written whether an experiment
// can answer its question in the mesh as it is.
//
// [Check] is a pure function from a [Question] and a [World] to a [Result]:
// findings, each with what was found, what follows and what would be right, and
// the policy that is in effect on each hop. [Look] reads a World from a cluster.
//
// A rule is one small file with one function in the table of rules.go, one test
// in which it finds something and one in which it does not, and one section in
// docs/mistakes.md under its id.
package preflight
