package observe

import (
	"bytes"
	"hash/maphash"

	"github.com/mailru/easyjson/jlexer"
)

// Most of an answer to /clusters is what the one before was: only clusters with
// traffic change. So an answer is cut into the entries of its clusters by their
// braces, and an entry is taken apart only if it is not, to the byte, the one that
// stood in its place before.

// entry is the status of one cluster, as it was answered last.
type entry struct {
	sum   uint64 // of its bytes
	known bool
	hosts []Host
}

// changed reads an answer in the form that Envoy writes, with nothing but the list
// of clusters in it, and reports whether it has that form. It takes apart what
// changed.
func (s *scanner) changed(data []byte) bool {
	rest := data
	for _, token := range []string{"{", `"cluster_statuses"`, ":", "["} {
		var found bool
		if rest, found = bytes.CutPrefix(blank(rest), []byte(token)); !found {
			return false
		}
	}
	n := 0
	for rest = blank(rest); len(rest) > 0 && rest[0] == '{'; n++ {
		end := objectEnd(rest)
		if end == 0 || !s.entry(n, rest[:end]) {
			return false
		}
		more := false
		if rest, more = bytes.CutPrefix(blank(rest[end:]), []byte(",")); !more {
			break
		}
		if rest = blank(rest); len(rest) == 0 || rest[0] != '{' {
			return false
		}
	}
	s.entries = s.entries[:min(n+1, len(s.entries))]
	rest, ended := bytes.CutPrefix(blank(rest), []byte("]"))
	return ended && string(bytes.TrimSpace(rest)) == "}"
}

// entry takes the n-th cluster's hosts from before, or from its entry, and reports
// whether it could.
func (s *scanner) entry(n int, raw []byte) bool {
	if n == len(s.entries) {
		s.entries = append(s.entries, entry{})
	}
	had, sum := &s.entries[n], maphash.Bytes(s.seed, raw)
	if had.known && had.sum == sum {
		s.hosts = append(s.hosts, had.hosts...)
		return true
	}
	start := len(s.hosts)
	in := jlexer.Lexer{Data: raw}
	s.cluster(&in)
	in.Consumed()
	if had.known = in.Error() == nil; had.known {
		had.sum, had.hosts = sum, append(had.hosts[:0], s.hosts[start:]...)
	}
	return had.known
}

// blank drops white space in front.
func blank(data []byte) []byte { return bytes.TrimLeft(data, " \t\r\n") }

// objectEnd returns where the JSON object ends that data begins with; 0 if it does
// not.
func objectEnd(data []byte) int {
	level := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{':
			level++
		case '}':
			if level--; level == 0 {
				return i + 1
			}
		case '"':
			length := textEnd(data[i+1:])
			if length == 0 {
				return 0
			}
			i += length
		}
	}
	return 0
}

// textEnd returns how long the rest of a JSON string is, with the quote that ends
// it; 0 if there is none.
func textEnd(data []byte) int {
	for i := 0; ; {
		next := bytes.IndexByte(data[i:], '"')
		if next < 0 {
			return 0
		}
		end := i + next
		escapes := 0
		for escapes < end && data[end-1-escapes] == '\\' {
			escapes++
		}
		if i = end + 1; escapes%2 == 0 {
			return i
		}
	}
}
