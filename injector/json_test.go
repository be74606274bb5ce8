package injector

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestAppendJSON(t *testing.T) {
	values := []any{
		nil, true, "", "plain", `"quoted" \`, "a<b>&c", "é\u2028\x00\xff", int64(-7), 1.5, 1e21,
		[]any{},
		[]any(nil),
		object{},
		object(nil),
		object{"b": int64(1), "a": []any{nil, object{"<": "&"}}},
		[]string{"other types", "too"},
	}
	for seed := range uint64(200) {
		values = append(values, generator{rand.New(rand.NewPCG(seed, 6))}.virtualService().Object)
	}
	for _, value := range values {
		got, err := appendJSON(nil, value)
		if want := asJSON(t, value); string(got) != want || err != nil {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
	for _, value := range []any{math.NaN(), object{"a": []any{math.Inf(1)}}} {
		if got, err := appendJSON(nil, value); err == nil {
			t.Errorf("%v became %s", value, got)
		}
	}
}
