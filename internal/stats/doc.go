// Package stats has the statistics by which claims about a run are judged, and
// by which it is known beforehand how long a run must be: of shares of
// independent draws, as proxies draw for faults and weighted routes. Its
// functions are exact up to rounding in float64, also in the tails, where
// quantile functions of the beta distribution are known to go wrong: they add up
// the probabilities themselves. They are pure.
package stats

// DefaultAlpha is how often a claim that is right is called wrong: once in a
// million, so that suites with hundreds of claims still do not flake. It is the
// same for all claims, and fixed before the run.
const DefaultAlpha = 1e-6

// MaxAlpha is the largest share of wrong answers that anybody can ask for.
const MaxAlpha = 0.05
