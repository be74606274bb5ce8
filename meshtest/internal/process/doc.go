// Package process starts child processes that cannot outlive their owner.
//
// A [Spawner] starts every child from one operating system thread that it keeps
// until [Spawner.Close], and asks the kernel to kill the child when that thread
// ends (PR_SET_PDEATHSIG follows the thread, not the process: prctl(2)). So a
// child dies with its owner even when the owner gets SIGKILL. Each child is also
// recorded in a directory by pid and start time, so that [Sweep] finds what a
// killed owner may have left, and never ends a stranger that got the same pid.
package process
