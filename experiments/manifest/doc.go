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
// A file may hold several documents. Reading is strict: an unknown field is an
// error that names the nearest known one, a value of the wrong type says what was
// wanted, and all problems of all files are reported at once, each with its file,
// document and field path. This is the only place that maps names to types: one
// table for the effects and matchers, in kinds.go.
package manifest
