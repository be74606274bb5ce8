package stats

import (
	"math"
	"math/big"
	"testing"
)

// The wanted values are (1-fⁿ)/((1-f)fⁿ) in fractions, which are exact.
func TestTrialsUntilRow(t *testing.T) {
	for _, p := range []struct{ num, den int64 }{{9, 10}, {3, 4}, {1, 2}, {1, 4}, {1, 10}, {999_999, 1_000_000}, {1, 1000}} {
		for _, n := range []int64{1, 2, 3, 5, 7, 10, 30} {
			f := big.NewRat(p.num, p.den)
			row := new(big.Rat).SetFrac(
				new(big.Int).Exp(big.NewInt(p.num), big.NewInt(n), nil),
				new(big.Int).Exp(big.NewInt(p.den), big.NewInt(n), nil))
			one := big.NewRat(1, 1)
			want := new(big.Rat).Quo(new(big.Rat).Sub(one, row), new(big.Rat).Mul(new(big.Rat).Sub(one, f), row))
			wanted, _ := want.Float64()
			if got := TrialsUntilRow(int(n), float64(p.num)/float64(p.den)); math.Abs(got/wanted-1) > 1e-10 {
				t.Errorf("%d in a row at %d/%d: %v, want %v", n, p.num, p.den, got, wanted)
			}
		}
	}
	for _, test := range []struct {
		n    int
		p    float64
		want float64
	}{{5, 0, math.Inf(1)}, {5, 1, 5}, {0, 0.5, 0}, {400, 1e-3, math.Inf(1)}} {
		if got := TrialsUntilRow(test.n, test.p); got != test.want {
			t.Errorf("%d in a row at %v: %v, want %v", test.n, test.p, got, test.want)
		}
	}
}

func TestTrialsToResolve(t *testing.T) {
	for s, want := range map[float64]int{
		0: 1, 1: 1, -1: 1, 2: 1, math.NaN(): 1,
		0.5: 2, 0.9: 10, 0.99: 100, 0.999: 1000, 0.9999: 10_000, 0.1: 10, 0.01: 100, 0.995: 200, 1.0 / 3: 3, 0.7: 4, 0.05: 20,
	} {
		if got := TrialsToResolve(s); got != want {
			t.Errorf("share %v: %d, want %d", s, got, want)
		}
	}
}
