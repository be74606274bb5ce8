package loadgen

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// String returns the result in one line:
//
//	1000 requests, 50.0% ok (200 ×500, 503 ×500), p50 499ms, p99 989ms
//
// Where requests had no answer it adds their most frequent error.
func (r Result) String() string {
	n := r.Requests()
	if n == 0 {
		return "no requests"
	}
	latencies := r.latencies()
	p50, _ := quantile(latencies, 0.50)
	p99, _ := quantile(latencies, 0.99)
	unit := "requests"
	if n == 1 {
		unit = "request"
	}
	return fmt.Sprintf("%d %s, %s ok (%s), p50 %s, p99 %s",
		n, unit, percent(r.count(Sample.ok), n), r.codeList(), short(p50), short(p99))
}

// GomegaString returns what String does: a failing assertion prints one line,
// not every sample.
func (r Result) GomegaString() string { return r.String() }

// codeList returns "200 ×500, 503 ×499, no answer ×1: connection refused".
func (r Result) codeList() string {
	codes := r.Codes()
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		if code != 0 {
			parts = append(parts, fmt.Sprintf("%d ×%d", code, codes[code]))
		}
	}
	if codes[0] > 0 {
		part := fmt.Sprintf("no answer ×%d", codes[0])
		if reason := r.commonError(); reason != "" {
			part += ": " + reason
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// commonError returns the error that most requests had, and of equals the
// first by name.
func (r Result) commonError() string {
	counts := map[string]int{}
	for _, s := range r.Samples {
		if s.Err != "" {
			counts[s.Err]++
		}
	}
	common := ""
	for _, text := range slices.Sorted(maps.Keys(counts)) {
		if counts[text] > counts[common] {
			common = text
		}
	}
	return strings.ReplaceAll(common, "\n", " ")
}

// percent returns part of whole with one decimal or as many more as it takes
// for 999999 of a million not to read 100%, nor 1 of a million 0%.
func percent(part, whole int) string {
	share := 100 * float64(part) / float64(whole)
	for decimals := 1; ; decimals++ {
		text := strconv.FormatFloat(share, 'f', decimals, 64)
		shown, _ := strconv.ParseFloat(text, 64)
		all, none := part == whole, part == 0
		if (shown == 100) == all && (shown == 0) == none || decimals == 12 {
			return text + "%"
		}
	}
}

// short returns d with three significant digits, in its own unit: 989ms, 1.25s.
func short(d time.Duration) string {
	unit := time.Duration(1)
	for d >= 1000*unit {
		unit *= 10
	}
	return d.Round(unit).String()
}
