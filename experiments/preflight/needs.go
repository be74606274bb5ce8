package preflight

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/claim"
	"github.com/faultline-mesh/faultline/internal/stats"
	"github.com/faultline-mesh/faultline/loadgen"
)

// Need is what one claim takes to be judged in one phase.
type Need struct {
	Field    string // of the claim, such as "during[0]"
	Phase    Phase
	Requests int           // of the load at least
	Sent     int           // that the load sends in the phase
	For      time.Duration // how long the phase must be to send them
	Why      string        // in words: "to judge a split of 10%"

	row   bool // it is for a host to be ejected, and an average where the fault is partial
	inRow int  // the errors one after the other that it takes
}

// String says the need: "during[0]: 138 requests to judge a split of 10%, of 250
// that are sent in the phase during".
func (n Need) String() string {
	return fmt.Sprintf("%s: %s %s, of %d that are sent in the phase %s", n.Field, plural(n.Requests, "request"), n.Why, n.Sent, n.Phase)
}

// Tightest returns, for each claim that takes more than one request, what it
// takes where the fewest are sent.
func Tightest(needs []Need) []Need {
	var all []Need
	for _, n := range needs {
		i := slices.IndexFunc(all, func(had Need) bool { return had.Field == n.Field && had.Why == n.Why })
		switch {
		case n.Requests <= 1:
		case i < 0:
			all = append(all, n)
		case n.Sent < all[i].Sent:
			all[i] = n
		}
	}
	return all
}

// rate returns how many requests the load sends in a second.
func (c *check) rate() float64 { return cmp.Or(c.Load.Rate, loadgen.DefaultRate) }

// length returns how long a phase is, and the field that says so.
func (c *check) length(p Phase) (time.Duration, string) {
	switch p {
	case Baseline:
		return c.Settle, "settle"
	case During:
		return c.Duration, "duration"
	case Recovery:
		return c.Recovery, "recovery"
	}
	return 0, ""
}

// sent returns how many requests the load sends in a phase.
func (c *check) sent(p Phase) int {
	length, _ := c.length(p)
	return int(math.Round(length.Seconds() * c.rate()))
}

// needs returns what each claim takes in each of its phases.
func (c *check) needs() []Need {
	var all []Need
	for _, claimed := range c.Claims {
		for _, p := range claimed.Phases {
			if length, _ := c.length(p); length <= 0 {
				continue
			}
			all = append(all, Need{
				Field: claimed.Field, Phase: p, Requests: claimed.Samples, Sent: c.sent(p),
				For: roundUp(float64(claimed.Samples) / c.rate()), Why: whyText(claimed),
			})
		}
		if need, hit := c.rowNeed(claimed); hit {
			all = append(all, need)
		}
	}
	return all
}

// roundUp makes seconds a length that people write: whole tenths of a second, from
// ten seconds on whole seconds.
func roundUp(seconds float64) time.Duration {
	unit := 100 * time.Millisecond
	if seconds >= 10 {
		unit = time.Second
	}
	if seconds > 1e9 {
		return math.MaxInt64
	}
	units := math.Ceil(seconds*float64(time.Second)/float64(unit) - 1e-9)
	return time.Duration(units) * unit
}

// whyText says what the requests of a claim are for.
func whyText(claimed Claimed) string {
	bound := claimed.Range.Low
	if math.IsInf(bound, 0) {
		bound = claimed.Range.High
	}
	switch claimed.Kind {
	case claim.SuccessRate:
		return fmt.Sprintf("to judge a success rate of %s", percentText(100*bound))
	case claim.Status:
		return fmt.Sprintf("to judge a share of %s with status %d", percentText(100*bound), claimed.Code)
	case claim.Latency:
		return fmt.Sprintf("to judge the quantile %v of the latency", claimed.Quantile)
	case claim.Split:
		return fmt.Sprintf("to judge a split of %s", percentText(100*bound))
	case claim.Delayed:
		return fmt.Sprintf("to judge a delayed share of %s", percentText(100*bound))
	case claim.Tries:
		return fmt.Sprintf("to judge tries of %v for each", bound)
	default:
		return "to judge it"
	}
}

// rowNeed returns how many requests an ejection takes: until the service has had
// so many errors in a row on one host, when its hosts are used in turn.
func (c *check) rowNeed(claimed Claimed) (Need, bool) {
	_, ejects := ejections(claimed)
	s := c.faultedOnly(claimed)
	if !ejects || s == nil || claimed.Kind != claim.Ejected || !c.atUpstream(s) {
		return Need{}, false
	}
	best := Need{row: true, Field: claimed.Field, Phase: During, Sent: c.sent(During), Requests: math.MaxInt}
	on, _ := c.about(s)
	for _, h := range c.hopsAt(s) {
		for _, r := range h.Routes {
			for _, d := range r.Destination {
				for _, i := range on {
					if requests, inRow, why := row(c.Faults[i], r, d); requests < best.Requests {
						best.Requests, best.inRow, best.Why = requests, inRow, why
						best.Sent = c.sent(During) / (len(c.Faults[i].Ramp) + 1) // only the last step of a ramp is the whole fault
					}
				}
			}
		}
	}
	if best.Requests == math.MaxInt {
		return Need{}, false
	}
	best.For = roundUp(float64(best.Requests) / c.rate())
	return best, true
}

// row returns how many requests of the load it takes on average until a fault has
// had a host of a destination ejected, and why; math.MaxInt when it never has.
func row(f injector.Fault, r Route, d Destination) (requests, inRow int, why string) {
	hosts := max(d.Policy.Hosts, 1)
	if d.Policy.Ejection == nil || d.Share <= 0 {
		return math.MaxInt, 0, ""
	}
	total, rows := 0.0, 0
	for _, y := range symptoms(f) {
		if n := y.inRow(r, d.Policy.Ejection); n > 0 {
			total, rows = total+y.percent, n
		}
	}
	if rows == 0 {
		return math.MaxInt, 0, ""
	}
	onHost := stats.TrialsUntilRow(rows, min(total, 100)/100)
	all := math.Ceil(onHost*float64(hosts)/d.Share - 1e-9)
	why = fmt.Sprintf("until one of %s has had %d errors in a row", plural(hosts, "host"), rows)
	if total < 100 {
		why += fmt.Sprintf(" (%s of its requests fail, so that takes %s of its own, on average)", percentText(total), plural(int(min(math.Ceil(onHost-1e-9), math.MaxInt32)), "request"))
	}
	return int(min(all, math.MaxInt32)), rows, why
}

// tooFewRequests finds claims that cannot be judged with what the load sends.
func tooFewRequests(c *check) []Finding {
	var all []Finding
	for _, n := range c.needs() {
		length, field := c.length(n.Phase)
		if n.Requests <= n.Sent || n.row {
			continue
		}
		all = append(all, Finding{Refused: true, Field: n.Field, Text: fmt.Sprintf(
			"needs %d requests %s, and %s at %v/s send %d: make %s %s, or load.rate %s.",
			n.Requests, n.Why, length, c.rate(), n.Sent, field, n.For, rateFor(n.Requests, length))})
	}
	return all
}

func rateFor(requests int, length time.Duration) string {
	return fmt.Sprint(int(math.Ceil(float64(requests)/length.Seconds() - 1e-9)))
}

// ejectionTooRare finds claims of ejections that take more requests than there
// are: of a fault that hits a part of the requests, good answers come in between.
func ejectionTooRare(c *check) []Finding {
	var all []Finding
	for _, claimed := range c.Claims {
		n, is := c.rowNeed(claimed)
		if !is {
			continue
		}
		length, field := c.length(During)
		switch partial := c.partial(claimed); {
		case n.Requests > n.Sent && partial:
			all = append(all, Finding{Refused: true, Field: n.Field, Text: fmt.Sprintf(
				"needs about %d requests %s, and %s at %v/s send %d. Set the percent of the fault to 100, or make %s %s.",
				n.Requests, n.Why, length, c.rate(), n.Sent, field, n.For)})
		case n.Requests > n.Sent:
			all = append(all, Finding{Refused: true, Field: n.Field, Text: fmt.Sprintf(
				"needs %d requests %s, and %s at %v/s send %d: make %s %s, or load.rate %s.",
				n.Requests, n.Why, length, c.rate(), n.Sent, field, n.For, rateFor(n.Requests, length))})
		case partial && 3*n.Requests > n.Sent:
			all = append(all, Finding{Field: n.Field, Text: fmt.Sprintf(
				"needs about %d requests %s, and %s at %v/s send %d: one run in some will not see it. Set the percent of the fault to 100, or make %s %s.",
				n.Requests, n.Why, length, c.rate(), n.Sent, field, roundUp(3*float64(n.Requests)/c.rate()))})
		}
	}
	return all
}

// partial says whether the faults on what a claim is about leave requests alone.
func (c *check) partial(claimed Claimed) bool {
	on, _ := c.about(c.faultedOnly(claimed))
	return !slices.ContainsFunc(on, func(i int) bool { return c.Faults[i].Percent() >= 100 })
}
