// Package why tells, from what was kept of a run, why it ended as it did: as a
// colleague would who has looked at all of it.
package why
