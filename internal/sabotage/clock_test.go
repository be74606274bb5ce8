package sabotage

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// backdated answers as nodes would whose clocks are an hour behind: it changes
// the times in what their proxies have logged.
type backdated struct{ next http.RoundTripper }

var stamped = regexp.MustCompile(`(?m)^\[(\d{4}-[^\]]+)\]`)

// RoundTrip does what the type says.
func (b backdated) RoundTrip(q *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(q)
	if err != nil || !strings.HasSuffix(q.URL.Path, "/log") {
		return answer, err
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	body = stamped.ReplaceAllFunc(body, func(stamp []byte) []byte {
		at, err := time.Parse(time.RFC3339, string(stamp[1:len(stamp)-1]))
		if err != nil {
			return stamp
		}
		return []byte("[" + at.Add(-time.Hour).Format("2006-01-02T15:04:05.000Z") + "]")
	})
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return answer, nil
}
