package observe

import (
	"net/url"
	"strings"
)

// The stats of clusters and routes that a Series has, where a proxy exports them.
const (
	clusterCounters = "upstream_rq_pending_overflow upstream_rq_retry upstream_rq_retry_success upstream_rq_retry_overflow" +
		" upstream_rq_retry_limit_exceeded upstream_rq_timeout upstream_rq_per_try_timeout upstream_cx_overflow" +
		" outlier_detection.ejections_overflow"
	clusterGauges = "circuit_breakers.default.cx_open circuit_breakers.default.rq_open" +
		" circuit_breakers.default.rq_pending_open circuit_breakers.default.rq_retry_open"
	routeCounters = "upstream_rq_retry upstream_rq_retry_success upstream_rq_retry_overflow upstream_rq_retry_limit_exceeded" +
		" upstream_rq_timeout upstream_rq_total"
)

// seriesStatsPath asks for those stats and no other.
func seriesStatsPath() string {
	oneOf := func(names ...string) string {
		return "(" + strings.ReplaceAll(strings.ReplaceAll(strings.Join(names, " "), ".", `\.`), " ", "|") + ")$"
	}
	filter := `^cluster\.(in|out)bound\|.*\.` + oneOf(clusterCounters, clusterGauges) + `|^vhost\..*\.route\..*\.` + oneOf(routeCounters)
	return "/stats?format=json&filter=" + url.QueryEscape(filter)
}

// parseStat reads the name of a stat that a Series has. It reports false for every
// other.
func parseStat(name string) (StatSeries, bool) {
	stat := StatSeries{Name: name}
	if rest, ok := strings.CutPrefix(name, "cluster."); ok {
		cluster := ""
		if cluster, stat.Stat, ok = cutStat(rest, clusterCounters); !ok {
			cluster, stat.Stat, ok = cutStat(rest, clusterGauges)
			stat.Gauge = ok
		}
		if ok {
			stat.Cluster, ok = ParseCluster(cluster)
		}
		return stat, ok
	}
	rest, ok := strings.CutPrefix(name, "vhost.")
	if !ok {
		return stat, false
	}
	_, rest, ok = strings.Cut(rest, ".route.")
	if ok {
		stat.Route, stat.Stat, ok = cutStat(rest, routeCounters)
	}
	return stat, ok
}

// cutStat takes one of the names off the end of what a stat is called.
func cutStat(whole, names string) (of, stat string, found bool) {
	for name := range strings.FieldsSeq(names) {
		if of, found = strings.CutSuffix(whole, "."+name); found {
			return of, name, true
		}
	}
	return "", "", false
}
