// Package guard is a child process that takes a run's faults out when its parent
// no longer can.
//
// The child is the same executable once more ([Is] tells it apart), in a session
// of its own, so that Ctrl-C does not reach it. Its parent talks to it through a
// pipe, one line of JSON each:
//
//	{"connection":…,"run":"7f3a",…}   the first: how to reach the cluster, and what to guard
//	"beat"                            each second
//	"end"                             all is clean, there is nothing to do
//
// The kernel closes the pipe when the parent is gone, whatever ended it. A pipe
// that ends without "end" is a parent that died: the guard takes the run out of
// the mesh at once, goes on looking for a while in case a write of the dead was
// still on its way, and exits. No beat for as long as the run's Lease lasts is a
// parent that stopped: the guard takes the run out and stays.
//
// Credentials go through the pipe alone, never on a command line, in the
// environment or on a disk. A guard listens nowhere.
package guard
