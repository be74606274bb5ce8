// Package bundle keeps what was seen of a run, and of the mesh when it had ended,
// in a directory of its own: to be read when the verdict is a surprise.
package bundle
