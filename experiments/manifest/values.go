package manifest

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/stats"
)

// value is what a field holds that is not a mapping or a list.
type value interface {
	// read takes what stands there. If it cannot, it says what is there instead.
	read(n *yaml.Node) (wrong string)
	// want says what should be there, with its unit.
	want() string
}

type (
	apiVersion string
	kind       string
	text       string
	flag       bool
	siteName   injector.Site
	policyName injector.Policy
	grpcStatus string // name of a gRPC failure

	duration   time.Duration
	percentage float64 // of requests
	share      float64 // as percentage, but from 0 to 1
	ratio      float64
	quantity   float64 // any number
	perSecond  float64
	alpha      float64 // share of wrong answers

	count      int
	number     int // a count that is not 0
	port       int
	mockStatus int // an HTTP status to answer with
	seenStatus int // an HTTP status to count, or 0
)

// All there are.
var _ = [...]value{
	new(apiVersion), new(kind), new(text), new(flag), new(siteName), new(policyName), new(grpcStatus),
	new(duration), new(percentage), new(share), new(ratio), new(quantity), new(perSecond), new(alpha),
	new(count), new(number), new(port), new(mockStatus), new(seenStatus),
}

func (*apiVersion) want() string { return strconv.Quote(APIVersion) }
func (*kind) want() string       { return strconv.Quote(Kind) }
func (*text) want() string       { return "text" }
func (*flag) want() string       { return "true or false" }

func (*siteName) want() string {
	return `"caller" (in the callers' proxies: tests their code) or "upstream" ` +
		`(in the service's own proxies: tests timeouts, retries and ejection of the mesh)`
}

func (*policyName) want() string {
	return `"retries" or "timeout", which the run's requests then do without`
}

func (*grpcStatus) want() string {
	return "the name of a gRPC failure: " + strings.Join(injector.GRPCFailures(), ", ")
}

func (*duration) want() string   { return "a duration above 0, such as 10s or 200ms" }
func (*percentage) want() string { return "a percentage of requests, above 0 and up to 100" }
func (*share) want() string      { return "a share from 0 to 1, such as 0.99 for 99%" }
func (*ratio) want() string      { return "a number, 0 or more" }
func (*quantity) want() string   { return "a number" }
func (*perSecond) want() string  { return "a number of requests per second, above 0" }
func (*alpha) want() string      { return "a share of wrong answers, above 0 and up to 0.05, such as 1e-6" }
func (*count) want() string      { return "a whole number, 0 or more" }
func (*number) want() string     { return "a whole number above 0" }
func (*port) want() string       { return "a port of the Service, 1 to 65535" }
func (*mockStatus) want() string { return "an HTTP status from 200 to 599" }

func (*seenStatus) want() string {
	return "an HTTP status from 100 to 599, or 0 for requests without an answer"
}

func (v *apiVersion) read(n *yaml.Node) string { return readName(n, APIVersion, (*string)(v)) }
func (v *kind) read(n *yaml.Node) string       { return readName(n, Kind, (*string)(v)) }

func (v *text) read(n *yaml.Node) string {
	if n.ShortTag() != "!!str" {
		return found(n)
	}
	*v = text(n.Value)
	return ""
}

func (v *flag) read(n *yaml.Node) string {
	if n.ShortTag() != "!!bool" || n.Decode((*bool)(v)) != nil {
		return found(n)
	}
	return ""
}

func (v *siteName) read(n *yaml.Node) string {
	for _, site := range []injector.Site{injector.Caller, injector.Upstream} {
		if n.Kind == yaml.ScalarNode && n.Value == site.String() {
			*v = siteName(site)
			return ""
		}
	}
	return found(n)
}

func (v *policyName) read(n *yaml.Node) string {
	for _, policy := range []injector.Policy{injector.Retries, injector.Timeout} {
		if n.Kind == yaml.ScalarNode && n.Value == policy.String() {
			*v = policyName(policy)
			return ""
		}
	}
	return found(n)
}

func (v *grpcStatus) read(n *yaml.Node) string {
	if n.ShortTag() != "!!str" || !slices.Contains(injector.GRPCFailures(), n.Value) {
		return found(n)
	}
	*v = grpcStatus(n.Value)
	return ""
}

func (v *duration) read(n *yaml.Node) string {
	d, err := time.ParseDuration(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode || err != nil || d == 0:
		return found(n)
	case d < 0:
		return n.Value + " is negative"
	}
	*v = duration(d)
	return ""
}

func (v *percentage) read(n *yaml.Node) string {
	return readNumber(n, (*float64)(v), func(x float64) bool { return x > 0 && x <= 100 })
}

func (v *share) read(n *yaml.Node) string {
	return readNumber(n, (*float64)(v), func(x float64) bool { return x >= 0 && x <= 1 })
}

func (v *ratio) read(n *yaml.Node) string {
	return readNumber(n, (*float64)(v), func(x float64) bool { return x >= 0 })
}

func (v *quantity) read(n *yaml.Node) string {
	return readNumber(n, (*float64)(v), func(float64) bool { return true })
}

func (v *perSecond) read(n *yaml.Node) string {
	return readNumber(n, (*float64)(v), func(x float64) bool { return x > 0 })
}

func (v *alpha) read(n *yaml.Node) string {
	return readNumber(n, (*float64)(v), func(x float64) bool { return x > 0 && x <= stats.MaxAlpha })
}

func (v *count) read(n *yaml.Node) string {
	return readWhole(n, (*int)(v), func(x int) bool { return x >= 0 })
}

func (v *number) read(n *yaml.Node) string {
	return readWhole(n, (*int)(v), func(x int) bool { return x > 0 })
}

func (v *port) read(n *yaml.Node) string {
	return readWhole(n, (*int)(v), func(x int) bool { return x > 0 && x <= math.MaxUint16 })
}

func (v *mockStatus) read(n *yaml.Node) string {
	return readWhole(n, (*int)(v), func(x int) bool { return x >= 200 && x <= 599 })
}

func (v *seenStatus) read(n *yaml.Node) string {
	return readWhole(n, (*int)(v), func(x int) bool { return x == 0 || x >= 100 && x <= 599 })
}

// readName takes text that can only be one. It keeps any other, too: that tells
// what document this is.
func readName(n *yaml.Node, want string, into *string) string {
	if n.Kind == yaml.ScalarNode {
		*into = n.Value
	}
	if *into != want {
		return found(n)
	}
	return ""
}

func readNumber(n *yaml.Node, into *float64, fits func(float64) bool) string {
	var x float64
	isNumber := n.ShortTag() == "!!int" || n.ShortTag() == "!!float"
	if !isNumber || n.Decode(&x) != nil || math.IsInf(x, 0) || !fits(x) {
		return found(n)
	}
	*into = x
	return ""
}

func readWhole(n *yaml.Node, into *int, fits func(int) bool) string {
	var x int
	if n.ShortTag() != "!!int" || n.Decode(&x) != nil || !fits(x) {
		return found(n)
	}
	*into = x
	return ""
}

// found says what stands there, in words or as it was written; text in quotes.
func found(n *yaml.Node) string {
	const most = 60
	switch {
	case n.Kind == yaml.MappingNode:
		return "found a mapping"
	case n.Kind == yaml.SequenceNode:
		return "found a list"
	case isNothing(n):
		return "found nothing"
	}
	written := n.Value
	if letters := []rune(written); len(letters) > most {
		written = string(letters[:most]) + "…"
	}
	switch n.ShortTag() {
	case "!!int", "!!float", "!!bool":
		return "found " + written
	}
	return "found " + strconv.Quote(written)
}

// isNothing reports whether a field stands there without a value.
func isNothing(n *yaml.Node) bool { return n.Kind == 0 || n.ShortTag() == "!!null" }
