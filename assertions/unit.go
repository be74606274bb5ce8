package assertions

import (
	"math"
	"strconv"
	"time"
)

// unit is what a number counts, and so how it is printed.
type unit int

const (
	plain    unit = iota // as it is: 3, 1.25; durations as they print themselves
	share                // from 0 to 1, printed as percent: 99.5%
	duration             // 989ms
)

// exact prints all of v that there is to it.
func (u unit) exact(v any) string { return u.print(v, 15) }

// readable prints v with three significant digits, and more where three would
// change what same says of it. A value printed as 100% or 0% is exactly that.
func (u unit) readable(v any, same func(rounded any) bool) string {
	for digits := 3; digits < 15; digits++ {
		rounded := u.round(v, digits)
		if same(rounded) && !u.becameWhole(v, rounded) {
			return u.print(v, digits)
		}
	}
	return u.exact(v)
}

// becameWhole reports whether rounding made none or all of a share.
func (u unit) becameWhole(v, rounded any) bool {
	return u == share && v != rounded && (rounded == 0.0 || rounded == 1.0)
}

// round returns v with the given number of significant digits; counts stay
// what they are.
func (u unit) round(v any, digits int) any {
	switch v := v.(type) {
	case float64:
		if u == share {
			return roundNumber(v*100, digits) / 100
		}
		return roundNumber(v, digits)
	case time.Duration:
		return roundDuration(v, digits)
	}
	return v
}

func (u unit) print(v any, digits int) string {
	if d, ok := v.(time.Duration); ok {
		return roundDuration(d, digits).String()
	}
	number, _ := numberOf(v)
	suffix := ""
	if u == share {
		number, suffix = number*100, "%"
	}
	if _, isCount := v.(int); !isCount || u == share {
		number = roundNumber(number, digits)
	}
	return strconv.FormatFloat(number, 'f', -1, 64) + suffix
}

// roundNumber rounds in decimal, as it will be read: 0.07*100 is 7.
func roundNumber(v float64, digits int) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return v
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'e', digits-1, 64), 64)
	if err != nil {
		return v // rounded up beyond the largest number
	}
	return rounded
}

func roundDuration(d time.Duration, digits int) time.Duration {
	limit := time.Duration(math.Pow10(digits))
	step := time.Duration(1)
	for d.Abs()/step >= limit {
		step *= 10
	}
	return d.Round(step)
}
