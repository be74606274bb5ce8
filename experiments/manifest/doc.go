// Package manifest reads experiments from YAML.
//
//	apiVersion: faultline.dev/v1alpha1
//	kind: Experiment
//	metadata: {name: slow-recommendations}
//	spec:
//	  title: checkout stays fast while recommendations is slow
//	  faults:
//	  - on: {namespace: shop, service: recommendations}
//	    site: caller
//	    delay: {fixed: 2s, percent: 100}
//	  load: {url: "http://shop.example/checkout", rate: 50}
//	  steadyState: [{successRate: {atLeast: 0.99}}]
//
// A file may hold several documents; JSON is YAML, too. Reading is strict: an
// unknown field is an error that names the nearest known one, a value of the
// wrong type or out of range says what was found and what is wanted, and a field
// whose zero value would stand for a default cannot be set to zero. All problems
// of all files are reported at once, each with its file, document, field path
// and line.
//
// This is the only place that maps names to types: kinds.go has the effects and
// matchers, values.go what the single values may be.
package manifest
