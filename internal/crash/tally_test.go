package crash

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// places are where in a run a kill can fall, in their order.
var places = []string{
	"before the first write", "between lease and first write", "between writes", "while a ramp rises", "while held", "in revert", "after",
}

// place tells from what a worker said where it died.
func place(said []string) string {
	step, leased, wrote := "", false, false
	for _, line := range said {
		switch {
		case strings.HasPrefix(line, "#"):
			step = line
		case step != stepInject || !strings.HasPrefix(line, "> ") || strings.HasPrefix(line, "> GET"):
		case strings.Contains(line, "/leases"):
			leased = true
		default:
			wrote = true
		}
	}
	switch {
	case step == stepRamp:
		return places[3]
	case step == stepHold:
		return places[4]
	case step == stepRevert:
		return places[5]
	case step == stepEnd:
		return places[6]
	case wrote:
		return places[2]
	case leased:
		return places[1]
	}
	return places[0]
}

// tally is what came of a suite of crashes.
type tally struct {
	mu      sync.Mutex
	deaths  map[string]int // kills by place
	means   map[death]int  // kills by means
	edits   int            // foreign edits
	remains remains
	liars   []string // runs that said they had reverted, and had not

	life     time.Duration // how long runs take that live to their end, the hold aside
	requests map[int]int   // how many requests they make, by number of faults
}

func (t *tally) String() string {
	total := 0
	var lines []string
	for _, place := range places {
		total += t.deaths[place]
		lines = append(lines, fmt.Sprintf("  %5d %s", t.deaths[place], place))
	}
	return fmt.Sprintf("%d processes killed (%d by time, %d before a request, %d in one, %d behind one), %d foreign edits\n%s\n"+
		"%d marks left, %d objects unequal, %d runs that claimed to be reverted and were not",
		total, t.means[never]+t.means[atEnd], t.means[before], t.means[half], t.means[after], t.edits, strings.Join(lines, "\n"),
		len(t.remains.marks), len(t.remains.unequal), len(t.liars))
}
