// What haltWhen holds: matchers, each with a window if it likes, and queries.

package manifest

import (
	"time"

	"github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/experiments"
)

// haltCondition names one matcher or query.
type haltCondition struct {
	matchers
	PromQL *promQL  `yaml:"promql"`
	Window duration `yaml:"window"`
}

type promQL struct {
	URL             text     `yaml:"url,required" want:"the URL of a Prometheus server, such as http://prometheus.istio-system:9090"`
	Query           text     `yaml:"query,required" want:"a query that gives a number, such as sum(rate(istio_requests_total[30s]))"`
	BearerTokenFile text     `yaml:"bearerTokenFile"`
	BearerTokenEnv  text     `yaml:"bearerTokenEnv"`
	Username        text     `yaml:"username"`
	PasswordFile    text     `yaml:"passwordFile"`
	PasswordEnv     text     `yaml:"passwordEnv"`
	CAFile          text     `yaml:"caFile"`
	Timeout         duration `yaml:"timeout"`
	bound[quantity, float64]
}

func (p promQL) matcher() experiments.Matcher {
	return assertions.HavePromQL(assertions.Prometheus{
		URL: string(p.URL), BearerTokenFile: string(p.BearerTokenFile), BearerTokenEnv: string(p.BearerTokenEnv),
		Username: string(p.Username), PasswordFile: string(p.PasswordFile), PasswordEnv: string(p.PasswordEnv),
		CAFile: string(p.CAFile), Timeout: time.Duration(p.Timeout),
	}, string(p.Query), p.limit())
}

func (h haltCondition) check() string {
	return wantOne(h, "; write two list items for both")
}

// matcher returns the condition that is named, if there is one.
func (h haltCondition) matcher() experiments.Matcher {
	names, one := chosen(h)
	if len(names) != 1 {
		return nil
	}
	m := one.(interface{ matcher() experiments.Matcher }).matcher()
	if h.Window > 0 {
		return experiments.Window(time.Duration(h.Window), m)
	}
	return m
}

func haltList(specs []haltCondition) []experiments.Matcher {
	var all []experiments.Matcher
	for _, s := range specs {
		all = append(all, s.matcher())
	}
	return all
}
