package bundle

import (
	"encoding/json"
	"regexp"
	"strings"
)

// hidden stands in place of a secret.
const hidden = "(hidden)"

// secretName tells the names of fields and headers whose value is a secret.
var secretName = regexp.MustCompile(`(?i)^(proxy-)?authorization$|cookie|password|passwd|secret|token|api-?_?key|private_?key|credential|inline_string|inline_bytes`)

// In running text: what follows such a name, credentials in URLs, and what looks
// like a token by itself.
var (
	secretText = regexp.MustCompile(`(?i)((?:proxy-)?authorization|password|passwd|secret|[a-z_-]*token|api[_-]?key|private[_-]?key)(["']?\s*[:=]\s*["']?)((?:bearer|basic|digest)\s+)?[^\s"'&,;]+`)
	cookies    = regexp.MustCompile(`(?i)((?:set-)?cookie)(["']?\s*[:=]\s*["']?)[^"'\n]+`)
	bearer     = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}`)
	jwt        = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*`)
	userinfo   = regexp.MustCompile(`(://)[^/\s:@"]+:[^/\s@"]+@`)
)

// Text hides what is secret in a line of text.
func Text(line string) string {
	line = secretText.ReplaceAllString(line, "${1}${2}"+hidden)
	line = cookies.ReplaceAllString(line, "${1}${2}"+hidden)
	line = bearer.ReplaceAllString(line, "${1} "+hidden)
	line = jwt.ReplaceAllString(line, hidden)
	return userinfo.ReplaceAllString(line, "${1}"+hidden+"@")
}

// Redact hides what is secret in a decoded JSON value: what a name says is one,
// as a field of its own or as a header with key and value, and what Text hides in
// every text. It returns a new value.
func Redact(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return redactFields(v)
	case []any:
		all := make([]any, len(v))
		for i, one := range v {
			all[i] = Redact(one)
		}
		return all
	case string:
		return Text(v)
	}
	return v
}

func redactFields(v map[string]any) map[string]any {
	all := make(map[string]any, len(v))
	key, _ := v["key"].(string)
	name, _ := v["name"].(string)
	for field, content := range v {
		isValue := strings.HasPrefix(strings.ToLower(field), "value") || strings.HasPrefix(field, "raw_value")
		switch {
		case secretName.MatchString(field) && !isName(content):
			all[field] = hidden
		case isValue && (secretName.MatchString(key) || secretName.MatchString(name)):
			all[field] = hidden
		default:
			all[field] = Redact(content)
		}
	}
	return all
}

// isName reports whether what stands under a secret's name is harmless: a number
// or a switch.
func isName(v any) bool {
	switch v.(type) {
	case bool, float64, int64, nil:
		return true
	}
	return false
}

// JSON hides what is secret in a JSON document. What cannot be read is left out.
func JSON(raw []byte) json.RawMessage {
	var content any
	if json.Unmarshal(raw, &content) != nil {
		return nil
	}
	clean, err := json.MarshalIndent(Redact(content), "", "  ")
	if err != nil {
		return nil
	}
	return clean
}
