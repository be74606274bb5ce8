// Package e2e holds the tests that try the whole engine on a real mesh: what
// happens to a run that panics, is cancelled, or has company, and how the doors
// tell a failure. It has no code of its own.
package e2e
