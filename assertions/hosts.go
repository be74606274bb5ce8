package assertions

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/faultline-mesh/faultline/observe"
)

// maxHostsShown is how many hosts a line of evidence tells of one by one.
const maxHostsShown = 3

// traffic is what all proxies of a change sent to one service.
type traffic struct {
	service  string
	change   observe.Change
	hosts    []observe.ProxyHost
	requests uint64
	errors   uint64
}

// hostTraffic is what happened to one host, by all proxies together.
type hostTraffic struct {
	address   string
	errors    uint64
	counting  map[string]bool // proxies that counted errors
	outBefore bool
	ejected   []observe.Ejection // begun within the change, by time
}

// trafficTo returns what actual saw of service. Where that is nothing the error
// is NoSamples; every error names the matcher.
func trafficTo(name, service string, actual any) (traffic, error) {
	if service == "" {
		return traffic{}, errors.New(name + ` takes the name of a service, as "payments" or "payments.shop", not ""`)
	}
	change, err := changeOf(name, actual)
	if err != nil {
		return traffic{}, err
	}
	t := traffic{service: service, change: change, hosts: change.Hosts(service)}
	switch {
	case len(change.Proxies) == 0:
		return t, noSamples(name, "no proxy was observed")
	case len(t.hosts) == 0:
		return t, noSamples(name, "no proxy of %d knows a host of %s", len(change.Proxies), service)
	}
	for _, h := range t.hosts {
		t.requests += h.Host.Requests
		t.errors += h.Host.Errors
	}
	return t, nil
}

// ejections returns those of the service, by time: first those that were open
// when the change began.
func (t traffic) ejections() (before, within []observe.Ejection) {
	for _, e := range t.change.Ejections {
		switch {
		case !e.Cluster.Serves(t.service):
		case e.At.After(t.change.From):
			within = append(within, e)
		default:
			before = append(before, e)
		}
	}
	return before, within
}

// byHost returns what happened to each host, the most errors first.
func (t traffic) byHost() []*hostTraffic {
	hosts := map[string]*hostTraffic{}
	host := func(address string) *hostTraffic {
		if hosts[address] == nil {
			hosts[address] = &hostTraffic{address: address, counting: map[string]bool{}}
		}
		return hosts[address]
	}
	for _, h := range t.hosts {
		seen := host(h.Host.Address)
		seen.errors += h.Host.Errors
		if h.Host.Errors > 0 {
			seen.counting[h.Proxy.String()] = true
		}
	}
	before, within := t.ejections()
	for _, e := range before {
		host(e.Address).outBefore = true
	}
	for _, e := range within {
		host(e.Address).ejected = append(host(e.Address).ejected, e)
	}
	return slices.SortedFunc(maps.Values(hosts), func(a, b *hostTraffic) int {
		return cmp.Or(cmp.Compare(b.errors, a.errors), cmp.Compare(a.address, b.address))
	})
}

// String returns the traffic in one line: "payments: 10.0.0.3:8080 had 5 errors
// and stayed in; 900 requests, 12 errors over 3 hosts".
func (t traffic) String() string {
	var stories []string
	hosts := t.byHost()
	for _, host := range hosts {
		if story := host.String(); story != "" {
			stories = append(stories, story)
		}
	}
	sum := fmt.Sprintf("%s, %s over %s", plural(t.requests, "request"), plural(t.errors, "error"), plural(len(hosts), "host"))
	return t.service + ": " + strings.Join(append(shortened(stories), sum), "; ")
}

// String returns what happened to the host; nothing if all went well.
func (h *hostTraffic) String() string {
	text := h.address
	switch {
	case len(h.ejected) > 0:
		text += " was ejected after " + plural(h.ejected[0].Errors, "error")
		if times := len(h.ejected); times > 1 { // by other proxies, or by one again
			text += fmt.Sprintf(", %d times in all", times)
		}
	case h.outBefore:
		text += " was out from the start"
	case h.errors == 0:
		return ""
	default:
		text += " had " + plural(h.errors, "error")
		if proxies := len(h.counting); proxies > 1 { // each of which counts for itself
			text += " over " + plural(proxies, "proxy")
		}
		text += " and stayed in"
	}
	return text
}

// shortened keeps the first few of the stories and says how many more there are.
func shortened(stories []string) []string {
	if more := len(stories) - maxHostsShown; more > 0 {
		return append(slices.Clone(stories[:maxHostsShown]), fmt.Sprintf("%d more like that", more))
	}
	return stories
}

// plural returns "1 error", "2 errors", "3 proxies".
func plural[N int | uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, found := strings.CutSuffix(noun, "y"); found {
		noun = stem + "ie"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
