package experiments

import "time"

// Event tells about a step of a run while it happens.
type Event struct {
	Run   string        // id of the run
	Step  string        // "plan", "baseline", "inject", "during", "hold", "revert", "recovery" or "verdict"; "guard" and "halt" at any time
	Text  string        // what happens, for people; one line
	Left  time.Duration // time left in the step, where it has a length; zero elsewhere
	Again bool          // only Text and Left of the step before have changed: a terminal overwrites
}
