package why

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/internal/bundle"
)

// seen is a run as it was kept.
type seen struct {
	report
	bundle.Bundle
	dir   string
	files []string
}

// report is what is read here of a report's JSON.
type report struct {
	Experiment string           `json:"experiment"`
	Title      string           `json:"title"`
	Verdict    string           `json:"verdict"`
	Reason     string           `json:"reason"`
	Halt       *halt            `json:"halt"`
	Phases     map[string]phase `json:"phases"`
	Evidence   struct {
		Faults    []fault    `json:"faults"`
		Ejections []ejection `json:"ejections"`
	} `json:"evidence"`
	Convergence struct {
		Inject convergence `json:"inject"`
		Revert convergence `json:"revert"`
	} `json:"convergence"`
	Revert struct {
		Clean   bool     `json:"clean"`
		Objects []string `json:"objects"`
	} `json:"revert"`
	Pods struct {
		Gone      []string `json:"gone"`
		Restarted []string `json:"restarted"`
	} `json:"pods"`
	Findings []struct {
		Rule string `json:"rule"`
		Text string `json:"text"`
	} `json:"findings"`
}

type halt struct {
	Condition string    `json:"condition"`
	Measured  string    `json:"measured"`
	At        time.Time `json:"at"`
	After     string    `json:"after"`
}

type phase struct {
	From, To time.Time
	Load     load
	Checks   []struct {
		Held bool
		Open bool
		Text string
	}
}

type load struct {
	Requests    int
	SuccessRate *float64
	Codes       map[string]int
	P50, P99    string
}

type fault struct {
	Fault, Source string
	Fired, Of     int
}

type ejection struct {
	Host, Service, Proxy string
	At                   time.Time
	Errors               int
	ReadmittedAt         *time.Time
}

type convergence struct {
	Proxies int
	Max     string
	Late    []string
}

// read decodes what was kept.
func read(kept bundle.Kept) (seen, error) {
	s := seen{Bundle: kept.Bundle, dir: kept.Dir, files: kept.Files}
	if err := json.Unmarshal(kept.Report, &s.report); err != nil {
		return seen{}, fmt.Errorf("report of run %s: %w", kept.Bundle.Run, err)
	}
	return s, nil
}

// flags sums the response flags of all proxies' access logs.
func (s seen) flags() map[string]int {
	all := map[string]int{}
	for _, p := range s.Proxies {
		for flag, n := range p.Flags {
			all[flag] += n
		}
	}
	return all
}

// makers are the proxies that make the fault.
func (s seen) makers() []bundle.Proxy {
	var all []bundle.Proxy
	for _, p := range s.Proxies {
		for _, role := range p.Roles {
			if role == "makes the fault" {
				all = append(all, p)
			}
		}
	}
	return all
}

// said reports whether the reason has one of some texts in it.
func (s seen) said(texts ...string) bool {
	for _, text := range texts {
		if strings.Contains(s.Reason, text) {
			return true
		}
	}
	return false
}

// namespace is where the first faulted host is, for commands.
func (s seen) namespace() string {
	for _, host := range s.Asked.Hosts {
		if parts := strings.Split(host, "."); len(parts) == 2 {
			return parts[1]
		}
	}
	return "NAMESPACE"
}

// pod is the namespace and name of a proxy's pod as istioctl and kubectl want it.
func pod(p bundle.Proxy) (namespace, name string) {
	namespace, name, _ = strings.Cut(strings.TrimPrefix(p.Name, "Pod "), "/")
	return namespace, name
}
