// Package promhalt has the tests of halt conditions that ask a Prometheus server,
// on a mesh whose proxies it really scrapes.
package promhalt
