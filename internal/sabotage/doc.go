// Package sabotage holds experiments that somebody has made worthless: the fault
// is not where the load is, the proof is gone, the policy is not in force. Each
// would look green to whoever only looks at the answers. Here each must end
// refused, Inconclusive or Deviated, and the same experiment without the sabotage
// must be Held. It has no code of its own.
package sabotage
