package why

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/internal/bundle"
)

// cause is a likely reason for how a run ended.
type cause struct {
	text string // what it is, with what speaks for it
	next string // what to do, a command where there is one
}

// mostCauses are told, the likeliest first.
const mostCauses = 3

// likely tells the causes that the evidence speaks for.
func (s seen) likely() []string {
	if s.Verdict == "Held" {
		return []string{"nothing is wrong: " + indented(s.Reason)}
	}
	var lines []string
	for _, looks := range table() {
		if c := looks(s); c.text != "" && len(lines) < 2*mostCauses {
			lines = append(lines, fmt.Sprintf("%d. %s", len(lines)/2+1, indented(c.text)), "   next: "+indented(c.next))
		}
	}
	if len(lines) == 0 {
		return []string{
			"no known pattern fits; the reason above is all that is sure",
			"   next: read report.txt, then the routes and the access log of the proxies that make the fault, and run it again",
		}
	}
	return lines
}

// table has every cause that is known; to add one, a function and a line here.
func table() []func(seen) cause {
	return []func(seen) cause{
		notReverted, blind, refusedConfig, expired, restarted, conflict, takenOut, interrupted, haltFlag, worseThanAllowed,
		nobodyCalls, slowPush, noTraffic, headerLost, senderBusy, badBaseline, overflow, noConnection, noEjection, tooSlow, noFallback, tooFew,
	}
}

func notReverted(s seen) cause {
	if s.Revert.Clean {
		return cause{}
	}
	return cause{
		"a fault may be left in the mesh: not every object is known to be clean",
		fmt.Sprintf("faultline revert --run %s, until `faultline leftovers` prints nothing", s.Run),
	}
}

func blind(s seen) cause {
	if !s.said("could not be asked") {
		return cause{}
	}
	return cause{
		"the metrics server of a halt condition stopped answering, and who cannot see must stop; this says nothing of the mesh",
		"see whether the Prometheus of haltWhen is up and reachable from here, then run it again",
	}
}

func refusedConfig(s seen) cause {
	for _, p := range s.Proxies {
		if p.Refused {
			namespace, name := pod(p)
			return cause{
				fmt.Sprintf("%s refuses the configuration that istiod sends (NACK): %s", p.Name, p.Sync),
				fmt.Sprintf("istioctl proxy-status %s.%s, and istioctl analyze -n %s", name, namespace, namespace),
			}
		}
	}
	return cause{}
}

func expired(s seen) cause {
	at := s.ended()
	for _, p := range s.Proxies {
		for _, c := range p.Certificates {
			if !at.IsZero() && c.Expires.Before(at) {
				namespace, name := pod(p)
				return cause{
					fmt.Sprintf("%s holds a certificate (%s, serial %s) that expired at %s: mTLS with it fails",
						p.Name, c.Of, c.Serial, c.Expires.UTC().Format(time.RFC3339)),
					fmt.Sprintf("istioctl proxy-config secret %s.%s, then istiod's log: does it still sign?", name, namespace),
				}
			}
		}
		for _, line := range append(slices.Clone(p.AccessLog), p.Log...) {
			if strings.Contains(line, "CERTIFICATE_VERIFY_FAILED") || strings.Contains(line, "TLS_error") {
				namespace, name := pod(p)
				return cause{
					fmt.Sprintf("TLS fails at %s: %s", p.Name, line),
					fmt.Sprintf("istioctl proxy-config secret %s.%s; compare the PeerAuthentication of the service with the tls of its DestinationRule (objects.yaml)", name, namespace),
				}
			}
		}
	}
	return cause{}
}

// ended is when the run told its last.
func (s seen) ended() time.Time {
	if len(s.Story) == 0 {
		return time.Time{}
	}
	return s.Story[len(s.Story)-1].At
}

func restarted(s seen) cause {
	if len(s.Pods.Restarted)+len(s.Pods.Gone) == 0 {
		return cause{}
	}
	var texts []string
	for _, name := range s.Pods.Restarted {
		texts = append(texts, name+" restarted")
	}
	for _, name := range s.Pods.Gone {
		texts = append(texts, name+" is gone")
	}
	if i := slices.IndexFunc(s.Events, func(e bundle.Event) bool { return e.Type == "Warning" }); i >= 0 {
		texts = append(texts, fmt.Sprintf("%s: %s: %s", s.Events[i].Object, s.Events[i].Reason, s.Events[i].Message))
	}
	return cause{
		"pods did not stay what they were: " + strings.Join(texts, "; "),
		fmt.Sprintf("kubectl -n %s get events --sort-by=.lastTimestamp, and run it again when nobody deploys", s.namespace()),
	}
}

// conflict finds two VirtualServices or DestinationRules for one host.
func conflict(s seen) cause {
	by := map[string][]string{}
	for _, o := range s.Objects {
		kind, where, _ := strings.Cut(o.Ref, " ")
		namespace, _, _ := strings.Cut(where, "/")
		if kind != "VirtualService" && kind != "DestinationRule" {
			continue
		}
		for _, host := range o.Hosts {
			name, _, _ := strings.Cut(host, ".")
			key := kind + " " + name
			if !slices.Contains(by[key], o.Ref) && namespace != "" {
				by[key] = append(by[key], o.Ref)
			}
		}
	}
	for _, o := range s.Objects {
		for _, host := range o.Hosts {
			kind, _, _ := strings.Cut(o.Ref, " ")
			name, _, _ := strings.Cut(host, ".")
			if refs := by[kind+" "+name]; len(refs) > 1 && s.Verdict != "Halted" {
				return cause{
					fmt.Sprintf("routing conflict: %s are all for the host %s; of VirtualServices in the mesh only the oldest applies, and of DestinationRules one policy is lost",
						strings.Join(refs, " and "), host),
					fmt.Sprintf("istioctl analyze -n %s; merge them into one", s.namespace()),
				}
			}
		}
	}
	return cause{}
}
