package injector

import (
	"encoding/json"
	"slices"
	"strconv"
)

// appendJSON appends what json.Marshal makes of a JSON value, several times as
// fast for the values that objects are full of.
func appendJSON(out []byte, value any) ([]byte, error) {
	var err error
	switch v := value.(type) {
	case object:
		if v == nil {
			return append(out, "null"...), nil
		}
		var few [16]string
		keys := few[:0]
		for key := range v {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		out = append(out, '{')
		for i, key := range keys {
			if i > 0 {
				out = append(out, ',')
			}
			if out, err = appendJSON(out, key); err != nil {
				return nil, err
			}
			if out, err = appendJSON(append(out, ':'), v[key]); err != nil {
				return nil, err
			}
		}
		return append(out, '}'), nil
	case []any:
		if v == nil {
			return append(out, "null"...), nil
		}
		out = append(out, '[')
		for i, member := range v {
			if i > 0 {
				out = append(out, ',')
			}
			if out, err = appendJSON(out, member); err != nil {
				return nil, err
			}
		}
		return append(out, ']'), nil
	case string:
		if isPlain(v) {
			out = append(append(out, '"'), v...)
			return append(out, '"'), nil
		}
	case int64:
		return strconv.AppendInt(out, v, 10), nil
	}
	text, err := json.Marshal(value)
	return append(out, text...), err
}

// isPlain says whether JSON has text as it is.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}
