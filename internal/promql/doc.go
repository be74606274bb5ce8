// Package promql asks a Prometheus server for the value of a query, once at a
// time, and says in plain words why it cannot.
package promql
