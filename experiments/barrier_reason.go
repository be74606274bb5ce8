// Why a proxy lags: what it shows instead, and what istiod says of it.

package experiments

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

// late says of each proxy that lags what it shows instead and, when time ran out,
// what istiod says of it.
func (c *crossing) late(ctx context.Context, spells []*spell) []string {
	if len(spells) == 0 {
		return nil
	}
	says, note := map[string]observe.Sync(nil), ""
	if errors.Is(ctx.Err(), context.DeadlineExceeded) { // and not because somebody stopped the run
		c.lookAgain(ctx, spells)
		says, note = c.askIstiod(ctx)
	}
	var texts []string
	for _, s := range spells {
		texts = append(texts, s.text(c.present, c.newborn[identity(s.proxy)])+istiodText(says, s.proxy))
	}
	slices.Sort(texts)
	if note != "" {
		texts[len(texts)-1] += "; " + note
	}
	return texts
}

// lookAgain reads what proxies show that could be read.
func (c *crossing) lookAgain(ctx context.Context, spells []*spell) {
	const most = 20 // of those that are told of
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), istiodBudget)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(most)
	for n, s := range spells {
		if s.err != nil || n >= most || len(s.sights) == 0 {
			continue
		}
		group.Go(func() error {
			dump, err := c.mesh.ConfigDump(ctx, s.proxy, c.places.query(s.sights[0]))
			if err == nil {
				s.instead = shownInstead(dump, s.sights[0], c.present)
			}
			return nil
		})
	}
	_ = group.Wait() // nobody returns an error
}

// text says how one proxy lags.
func (s *spell) text(present, born bool) string {
	name := s.proxy.String()
	if born {
		name += " (born during the run)"
	}
	if s.err != nil {
		return fmt.Sprintf("%s cannot be read: %v", name, s.err)
	}
	text := fmt.Sprintf("%s %s %s", name, map[bool]string{true: "does not show", false: "still shows"}[present], s.sights[0].edit.Marker)
	if s.instead != "" {
		text += ": " + s.instead
	}
	return text
}

// askIstiod asks what the proxies have acknowledged; the note says why that is
// not known.
func (t *trial) askIstiod(ctx context.Context) (says map[string]observe.Sync, note string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), istiodBudget)
	defer cancel()
	says, err := t.mesh.Syncz(ctx, injector.DefaultRootNamespace)
	switch {
	case err == nil:
	case errors.Is(err, context.DeadlineExceeded):
		note = fmt.Sprintf("istiod does not answer, so it may not send anything either (%v)", err)
	default:
		note = fmt.Sprintf("istiod's debug endpoint could not be read (%v)", err)
	}
	return says, note
}

func istiodText(says map[string]observe.Sync, p observe.Proxy) string {
	if len(says) == 0 {
		return ""
	}
	sync, known := says[p.Namespace+"/"+p.Pod]
	if !known {
		return "; istiod does not know it: it is not connected"
	}
	return "; istiod says that " + sync.String()
}

// shownInstead says what a config_dump has in the place of what was looked for.
func shownInstead(dump []byte, s sight, present bool) string {
	configs, err := parseDump(dump)
	if err != nil {
		return ""
	}
	switch {
	case strings.HasSuffix(s.query, "_clusters"):
		return ""
	case strings.HasSuffix(s.query, "_listeners"):
		return listenersInstead(configs, s, present)
	}
	return routesInstead(configs, s)
}

func routesInstead(configs []dumped, s sight) string {
	var routes, tables []string
	for _, c := range configs {
		table, err := parseTable(c.RouteConfig)
		if err != nil {
			continue
		}
		tables = append(tables, table.Name)
		for _, host := range table.Hosts {
			if !host.serves(s.service) {
				continue
			}
			for _, route := range host.Routes {
				if route == "" {
					route = "one without a name"
				}
				if !slices.Contains(routes, route) {
					routes = append(routes, route)
				}
			}
		}
	}
	switch {
	case len(routes) > 0:
		return fmt.Sprintf("for %s it has the routes %s", s.service, few(routes))
	case len(tables) > 0:
		return fmt.Sprintf("no route table of it has %s, of %s", s.service, few(tables))
	}
	return "it has no route table"
}

// listenersInstead names the HTTP filters through which requests come in.
func listenersInstead(configs []dumped, s sight, present bool) string {
	var filters []string
	for _, c := range configs {
		if present && (s.edit.ShownIn(c.Warming) || s.edit.ShownIn(c.Draining)) {
			return "a listener with it is there, but is not taking connections"
		}
		if c.concerns(s) != "" {
			filters = append(filters, httpFilters(c.ActiveState)...)
		}
	}
	if len(filters) == 0 {
		return "it has no listener for HTTP that comes in"
	}
	slices.Sort(filters)
	return "requests come in through the filters " + few(slices.Compact(filters))
}

// httpFilters returns the names of the HTTP filters anywhere in a listener.
func httpFilters(config []byte) []string {
	var state struct {
		Listener struct {
			Chains []struct {
				Filters []struct {
					Config struct {
						Filters []struct {
							Name string `json:"name"`
						} `json:"http_filters"`
					} `json:"typed_config"`
				} `json:"filters"`
			} `json:"filter_chains"`
		} `json:"listener"`
	}
	if json.Unmarshal(config, &state) != nil {
		return nil
	}
	var names []string
	for _, chain := range state.Listener.Chains {
		for _, filter := range chain.Filters {
			for _, f := range filter.Config.Filters {
				names = append(names, f.Name)
			}
		}
	}
	return names
}

// few lists names, the first of many.
func few(names []string) string {
	const most = 6
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
