package injector

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// appendJSON appends what json.Marshal makes of a JSON value, several times as
// fast for the values that objects are full of.
func appendJSON(out []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case object:
		if v != nil {
			return appendObject(out, v)
		}
	case []any:
		if v != nil {
			return appendList(out, v)
		}
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

func appendObject(out []byte, o object) (_ []byte, err error) {
	var few [16]string
	keys := few[:0]
	for key := range o {
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
		if out, err = appendJSON(append(out, ':'), o[key]); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

func appendList(out []byte, list []any) (_ []byte, err error) {
	out = append(out, '[')
	for i, member := range list {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = appendJSON(out, member); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

// isPlain says whether JSON has text as it is.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || strings.IndexByte(`"\<>&`, c) >= 0 {
			return false
		}
	}
	return true
}
