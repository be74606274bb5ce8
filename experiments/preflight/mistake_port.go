package preflight

import (
	"fmt"
	"slices"
	"strings"
)

// portNotHTTP finds ports whose requests proxies do not tell apart, on services
// that the experiment is about.
func portNotHTTP(c *check) []Finding {
	var all []Finding
	for _, h := range c.hops {
		if h.Port.HTTP() || h.Port.Protocol == "" { // what is not declared is sniffed, and may be HTTP
			continue
		}
		others := slices.ContainsFunc(h.To.Ports, func(p Port) bool { return p.HTTP() || p.Protocol == "" })
		if others && !c.portIsNamed(h) { // it is TCP for good reason, and the experiment is about the others
			continue
		}
		declare := "name the port http or http-…, or set its appProtocol: http"
		if h.To.entry != nil {
			declare = "set its protocol to HTTP"
		}
		all = found(all, h.To.Object(), fmt.Sprintf("port %s is declared %s: proxies pass on its connections and see no requests, so that no route, timeout, retry or fault for HTTP applies, "+
			"and a host is ejected for failed connections only. If it speaks HTTP, %s.", h.Port, h.Port.Protocol, declare))
	}
	return all
}

// portIsNamed says whether a route of the hop leads to its very port, by number.
func (c *check) portIsNamed(h Hop) bool {
	vs := c.byName[strings.TrimPrefix(h.Object, "VirtualService ")]
	if vs == nil {
		return false
	}
	for _, p := range c.merged(vs) {
		for _, d := range p.route.GetRoute() {
			if int(d.GetDestination().GetPort().GetNumber()) == h.Port.Number {
				return true
			}
		}
		for _, m := range p.route.GetMatch() {
			if int(m.GetPort()) == h.Port.Number {
				return true
			}
		}
	}
	return false
}
